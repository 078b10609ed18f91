/** Shells for which there is a completion script. */
export const shells = ["bash", "zsh", "fish", "powershell"] as const;
export type Shell = (typeof shells)[number];

/** How a script is taken into use, shown beside it. */
export const installs: Readonly<Record<Shell, string>> = {
  bash: "peerage completion bash > ~/.local/share/bash-completion/completions/peerage",
  zsh: "peerage completion zsh > ~/.zsh/completions/_peerage   # a folder of $fpath",
  fish: "peerage completion fish > ~/.config/fish/completions/peerage.fish",
  powershell: "peerage completion powershell >> $PROFILE",
};

/**
 * Scripts that ask `peerage __complete` and hand its answers to the shell as data: nothing of them is evaluated. Each is
 * silent on trouble.
 */
export const scripts: Readonly<Record<Shell, string>> = {
  // COMP_LINE is read instead of COMP_WORDS, which bash splits at the colons of a DID. It works on bash 3.2 as well.
  bash: `# peerage completion for bash
_peerage() {
  local line="\${COMP_LINE:0:COMP_POINT}" words=() value text current kept
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  current="\${words[\${#words[@]}-1]}"
  kept=""
  [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]] && kept="\${current%:*}:"
  COMPREPLY=()
  while IFS=$'\\t' read -r value text; do
    if [[ "$value" == ":files" ]]; then
      while IFS= read -r value; do COMPREPLY+=("$value"); done < <(compgen -f -- "$current")
      compopt -o filenames 2> /dev/null || true
    else
      COMPREPLY+=("\${value#"$kept"}")
    fi
  done < <(peerage __complete -- "\${words[@]:1}" 2> /dev/null)
  return 0
}
complete -F _peerage peerage
`,
  zsh: `#compdef peerage
# peerage completion for zsh
_peerage() {
  local -a candidates
  local value text files=""
  while IFS=$'\\t' read -r value text; do
    if [[ "$value" == ":files" ]]; then files=1
    else candidates+=("\${value//:/\\\\:}:$text")
    fi
  done < <(peerage __complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)
  (( \${#candidates} )) && _describe 'peerage' candidates
  [[ -n "$files" ]] && _files
  return 0
}
if [[ "$funcstack[1]" == "_peerage" ]]; then _peerage "$@"; else compdef _peerage peerage; fi
`,
  fish: `# peerage completion for fish
function __peerage_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (peerage __complete -- $words[2..-1] 2> /dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            printf '%s\\n' $line
        end
    end
end
complete -c peerage -f -a '(__peerage_complete)'
`,
  powershell: `# peerage completion for PowerShell
Register-ArgumentCompleter -Native -CommandName peerage -ScriptBlock {
    param($word, $ast, $position)
    $words = @($ast.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.StartOffset -lt $position } | ForEach-Object { $_.ToString() })
    if ($word -eq '') { $words += '""' }
    foreach ($line in @(peerage __complete -- @words 2> $null)) {
        $value, $text = $line -split "\`t", 2
        if ($value -eq ':files') { [System.Management.Automation.CompletionCompleters]::CompleteFilename($word) }
        else { [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $(if ($text) { $text } else { $value })) }
    }
}
`,
};
