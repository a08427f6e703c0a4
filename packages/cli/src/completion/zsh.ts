import type { CompletionCommand, CompletionOption } from "./words.js";

export function zshCompletion(commands: readonly CompletionCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `#compdef equant
# equant: completion for zsh. Install:  eval "$(equant completion zsh)"
_equant_names() {
  local word
  for word in $words; do
    if [[ $word == *.onnx ]]; then
      local -a names
      names=("\${(@f)$(equant __complete names $word 2>/dev/null)}")
      compadd -a names
      return
    fi
  done
}
_equant() {
  local -a commands
  commands=(
${commands.map(({ name, summary }) => `    '${quote(`${name}:${summary}`)}'`).join("\n")}
  )
  local command="" i
  for ((i = 2; i < CURRENT; i++)); do
    case $words[i] in
      (${names.join("|")})
        command=$words[i]
        words=($words[1] "\${(@)words[i+1,-1]}")
        (( CURRENT -= i - 1 ))
        break
        ;;
    esac
  done
  case $command in
    ("") _describe command commands ;;
${commands.map(commandCase).join("\n")}
  esac
}
compdef _equant equant
`;
}

function commandCase({ name, options, argumentValues }: CompletionCommand): string {
  const rest = argumentValues.length > 0 ? `'*:argument:(${argumentValues.join(" ")})'` : "'*:file:_files'";
  const specs = [...options.map(optionSpec), rest].map((spec) => `        ${spec}`);
  return `    (${name})
      _arguments -S \\
${specs.join(" \\\n")}
      ;;`;
}

function optionSpec({ flags, description, takesValue, values, completes }: CompletionOption): string {
  const text = quote(description.replace(/[[\]:]/g, "\\$&"));
  const value = takesValue ? `:value:${action(values, completes)}` : "";
  const [long, short] = flags;
  const name = takesValue ? `${long}=` : long;
  if (short === undefined) return `'${name}[${text}]${value}'`;
  return `'(${long} ${short})'{${name},${short}}'[${text}]${value}'`;
}

function action(values: readonly string[], completes: CompletionOption["completes"]): string {
  if (completes === "names") return "_equant_names";
  if (values.length > 0) return `(${values.join(" ")})`;
  return completes === "folder" ? "_files -/" : completes === "file" ? "_files" : " ";
}

/** Text inside single quotes. */
function quote(text: string): string {
  return text.replaceAll("'", "'\\''");
}
