/** What each shell loads. All thinking is in `namehold complete-words`; these only hand over. */
import type { Shell } from "./replies.js";

const BASH = `# bash completion for namehold
_namehold() {
  local reply line kind at left
  COMPREPLY=()
  reply=$(command namehold complete-words bash -- "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null) || return 0
  while IFS= read -r line; do
    if [[ -z $kind ]]; then kind=$line; else COMPREPLY+=("$line"); fi
  done <<< "$reply"
  case $kind in
    files)
      compopt -o default 2>/dev/null ;;
    command*)
      left=\${kind#command }
      for ((at = 1; at < COMP_CWORD && left > 0; at++)); do
        if [[ \${COMP_WORDS[at]} == -- ]]; then left=$((left - 1)); fi
      done
      if declare -F _comp_command_offset >/dev/null; then _comp_command_offset "$at"
      elif declare -F _command_offset >/dev/null; then _command_offset "$at"
      elif ((at == COMP_CWORD)); then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}")
      else compopt -o default 2>/dev/null
      fi ;;
  esac
}
complete -F _namehold namehold
`;

const ZSH = `#compdef namehold
compdef _namehold namehold
_namehold() {
  local -a lines values shown
  local line
  lines=("\${(@f)$(command namehold complete-words zsh -- "\${(@Q)words[1,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  case $lines[1] in
    files)
      _files ;;
    command*)
      local -i start=$((\${lines[1]#command } + 1))
      words=("\${(@)words[start,-1]}")
      (( CURRENT -= start - 1 ))
      _normal ;;
    words)
      shift lines
      for line in "$lines[@]"; do
        values+=("\${line%%$'\\t'*}")
        if [[ -n \${line#*$'\\t'} ]]; then shown+=("\${line%%$'\\t'*}  -- \${line#*$'\\t'}"); else shown+=("\${line%%$'\\t'*}"); fi
      done
      compadd -l -d shown -a -- values ;;
  esac
}
if [[ $funcstack[1] == _namehold ]]; then _namehold "$@"; fi
`;

const FISH = `# fish completion for namehold
function __namehold_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (command namehold complete-words fish -- $words "$current" 2>/dev/null)
    set -l kind (string split ' ' -- $lines[1])
    switch "$kind[1]"
        case words
            set -e lines[1]
            test (count $lines) -gt 0; and printf '%s\\n' $lines
        case files
            __fish_complete_path "$current"
        case command
            set -l start (math $kind[2] + 1)
            set -l rest
            test $start -le (count $words); and set rest (string escape -- $words[$start..-1])
            complete -C (string join ' ' -- $rest "$current")
    end
end
complete -c namehold -f -k -a '(__namehold_complete)'
`;

const POWERSHELL = `# PowerShell completion for namehold
Register-ArgumentCompleter -Native -CommandName namehold -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object {
            if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value } else { $_.Extent.Text }
        }) + $wordToComplete
    # In the environment: quotes in arguments are lost on the way in Windows PowerShell.
    $env:NAMEHOLD_COMPLETE_WORDS = ConvertTo-Json -Compress -InputObject @($words)
    try { $reply = & namehold complete-words powershell 2>$null | ConvertFrom-Json }
    finally { Remove-Item Env:NAMEHOLD_COMPLETE_WORDS }
    if ($reply.kind -eq 'command') {
        if ($words.Count - 1 -eq $reply.start + 1) {
            [System.Management.Automation.CompletionCompleters]::CompleteCommand($wordToComplete)
        }
    } elseif ($reply.kind -eq 'words') {
        foreach ($it in $reply.candidates) {
            [System.Management.Automation.CompletionResult]::new($it.text, $it.shown, 'ParameterValue', $it.tip)
        }
    }
}
`;

export const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH, powershell: POWERSHELL };
