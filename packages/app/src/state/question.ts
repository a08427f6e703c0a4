import { signal } from "@preact/signals";

/** Something that is not done without a person's word. */
export interface Question {
  readonly title: string;
  readonly text: string;
  readonly yes: string;
  readonly no: string;
}

/** The question on the screen. */
export const question = signal<(Question & { readonly answer: (yes: boolean) => void }) | null>(null);

/** Asks; a question that is on the screen already is not pushed aside: the new one is answered with no. */
export function ask(asked: Question): Promise<boolean> {
  if (question.value) return Promise.resolve(false);
  return new Promise((resolve) => {
    question.value = {
      ...asked,
      answer: (yes) => {
        question.value = null;
        resolve(yes);
      },
    };
  });
}
