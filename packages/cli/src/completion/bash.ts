import type { CompletionCommand, CompletionOption } from "./words.js";

/** Works in bash 3.2 (macOS) too: no mapfile, no associative arrays. */
export function bashCompletion(commands: readonly CompletionCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# equant: completion for bash. Install:  eval "$(equant completion bash)"
_equant_words() {
  local word
  while IFS= read -r word; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}
_equant_names() {
  local word
  for word in "\${COMP_WORDS[@]}"; do
    if [[ $word == *.onnx ]]; then
      _equant_words < <(equant __complete names "$word" 2>/dev/null | sed 's/[][ \\$;&()<>|*?]/\\\\&/g')
      return
    fi
  done
}
_equant_files() {
  compopt -o filenames 2>/dev/null
  _equant_words < <(compgen "$1" -- "$cur")
}
_equant() {
  local cur prev command word i
  COMPREPLY=()
  cur=\${COMP_WORDS[COMP_CWORD]}
  prev=\${COMP_WORDS[COMP_CWORD - 1]}
  # bash cuts --option=value at the equals sign
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $prev == "=" ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  command=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
      ${names.join("|")})
        command=$word
        break
        ;;
    esac
  done
  case "$command $prev" in
${commands.flatMap((command) => command.options.filter(({ takesValue }) => takesValue).map((option) => valueCase(command, option))).join("\n")}
  esac
  case $command in
    "") _equant_words < <(printf '%s\\n' ${names.join(" ")} help --help --version) ;;
${commands.map(commandCase).join("\n")}
  esac
}
complete -F _equant equant
`;
}

function valueCase(command: CompletionCommand, option: CompletionOption): string {
  const patterns = option.flags.map((flag) => `"${command.name} ${flag}"`).join(" | ");
  return `    ${patterns}) ${reply(option)} return ;;`;
}

function reply({ values, completes }: CompletionOption): string {
  const words = values.length > 0 ? `_equant_words < <(printf '%s\\n' ${values.join(" ")});` : "";
  if (completes === "names") return "_equant_names;";
  if (completes === "folder") return `${words} _equant_files -d;`.trim();
  if (completes === "file") return `${words} _equant_files -f;`.trim();
  return words;
}

function commandCase({ name, options, argumentValues }: CompletionCommand): string {
  const flags = options.flatMap((option) => option.flags.filter((flag) => flag.startsWith("--")));
  const other =
    argumentValues.length > 0 ? `_equant_words < <(printf '%s\\n' ${argumentValues.join(" ")})` : "_equant_files -f";
  return `    ${name})
      if [[ $cur == -* ]]; then
        _equant_words < <(printf '%s\\n' ${flags.join(" ")})
      else
        ${other}
      fi
      ;;`;
}
