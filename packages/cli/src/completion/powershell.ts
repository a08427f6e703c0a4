import type { CompletionCommand } from "./words.js";

export function powershellCompletion(commands: readonly CompletionCommand[]): string {
  const names = commands.map(({ name }) => name);
  return `# equant: completion for PowerShell. Install:  equant completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName equant -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $flags = @{
${commands.map((command) => `    '${command.name}' = @(${list(longFlags(command))})`).join("\n")}
  }
  $values = @{
${commands.flatMap(valueLines).join("\n")}
  }
  $words = @($commandAst.CommandElements | ForEach-Object { $_.ToString() })
  $command = $words | Select-Object -Skip 1 | Where-Object { $flags.ContainsKey($_) } | Select-Object -First 1
  $done = if ($wordToComplete) { $words[0..($words.Count - 2)] } else { $words }
  $key = "$command $($done[-1])"
  $candidates = if (-not $command) { @(${list([...names, "help", "--help", "--version"])}) }
    elseif ($values.ContainsKey($key)) { $values[$key] }
    elseif ($wordToComplete -like '-*') { $flags[$command] }
    elseif ($values.ContainsKey("$command ")) { $values["$command "] }
  if ($candidates -contains '<names>') {
    $model = $words | Where-Object { $_ -like '*.onnx' } | Select-Object -First 1
    $candidates = if ($model) { & equant __complete names $model 2>$null } else { @() }
  }
  $candidates | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}

function longFlags({ options }: CompletionCommand): string[] {
  return options.flatMap((option) => option.flags.filter((flag) => flag.startsWith("--")));
}

function valueLines({ name, options, argumentValues }: CompletionCommand): string[] {
  const lines = options.flatMap(({ flags, values, completes }) => {
    const words = completes === "names" ? ["<names>"] : values;
    return words.length === 0 ? [] : flags.map((flag) => `    '${name} ${flag}' = @(${list(words)})`);
  });
  if (argumentValues.length > 0) lines.push(`    '${name} ' = @(${list(argumentValues)})`);
  return lines;
}

function list(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "''")}'`).join(", ");
}
