import { question } from "../../state/question.js";
import { Dialog } from "./dialog.js";

/** The question that waits for an answer; Escape says no. */
export function QuestionBox() {
  const asked = question.value;
  if (!asked) return null;
  const { title, text, yes, no, answer } = asked;
  return (
    <Dialog label={title} onClose={() => answer(false)}>
      <h2>{title}</h2>
      <p>{text}</p>
      <div class="row">
        <button type="button" class="button" onClick={() => answer(false)}>
          {no}
        </button>
        <button type="button" class="button primary" onClick={() => answer(true)}>
          {yes}
        </button>
      </div>
    </Dialog>
  );
}
