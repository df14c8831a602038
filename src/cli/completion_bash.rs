//! Completion for bash: as crate clap_complete has it, but what is offered is quoted.
//!
//! Names of files, hosts and tags may hold anything; bash puts an answer into the line as it is, and would run
//! `$(...)` in it when the line is entered.

use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

use clap_complete::env::EnvCompleter;

/// The function of bash. It takes the quoting off the word that is completed, splits the answers without looking for
/// files, and quotes each as the word is quoted.
const SCRIPT: &str = r#"
_clap_complete_NAME() {
    local IFS=$'\013' word="$2" open= value= at= space=true
    local single="'" single_out="'\\''" double='"' back='\' dollar='$' tick='`'
    case "${COMP_WORDS[COMP_CWORD]}" in
        \"*) open=$double ;;
        \'*) open=$single ;;
        *) word=${word//"$back"/} ;;
    esac
    local words=("${COMP_WORDS[@]}")
    words[COMP_CWORD]="$word"
    if compopt +o nospace 2> /dev/null; then
        space=false
    fi
    COMPREPLY=()
    read -r -d '' -a COMPREPLY < <( \
        _CLAP_IFS="$IFS" \
        _CLAP_COMPLETE_INDEX="$COMP_CWORD" \
        _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
        _CLAP_COMPLETE_SPACE="$space" \
        VARIABLE="bash" \
        COMPLETER -- "${words[@]}" \
    )
    for at in "${!COMPREPLY[@]}"; do
        value=${COMPREPLY[at]}
        case "$open" in
            "$single") value=${value//"$single"/"$single_out"} ;;
            "$double")
                value=${value//"$back"/"$back$back"}
                value=${value//"$double"/"$back$double"}
                value=${value//"$dollar"/"$back$dollar"}
                value=${value//"$tick"/"$back$tick"}
                ;;
            *)
                if [[ "$value" == *[!A-Za-z0-9_./:=@%+,-]* ]]; then
                    printf -v value %q "$value"
                fi
                ;;
        esac
        COMPREPLY[at]=$value
    done
    if [[ $space == false && "${COMPREPLY-}" =~ [=/:]$ ]]; then
        compopt -o nospace
    fi
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _clap_complete_NAME PROGRAM
else
    complete -o nospace -o bashdefault -F _clap_complete_NAME PROGRAM
fi
"#;

/// Bash.
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> Result<()> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let script = SCRIPT
            .replace("NAME", &name.replace('-', "_"))
            .replace("PROGRAM", &quoted(program))
            .replace("VARIABLE", variable)
            .replace("COMPLETER", &quoted(completer));
        writeln!(out, "{script}")
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        words: Vec<OsString>,
        dir: Option<&Path>,
        out: &mut dyn Write,
    ) -> Result<()> {
        clap_complete::env::Bash.write_complete(command, words, dir, out)
    }
}
