//! `ansible-vault encrypt_string`: texts as `!vault` values for YAML files.

use std::io::{IsTerminal, Read};

use clap::Args;

use super::super::arguments::Prompts;
use super::super::output::Output;
use super::super::person::Terminal;
use super::super::run::ask;
use super::vault::{Common, OutputTo, SealWith, Tools, told};
use crate::diag::{Diagnostic, ExitCode, Kind, Result};
use crate::engine::Person;
use crate::ops::Config;

#[derive(Debug, Args)]
pub(super) struct StringArgs {
    /// String to encrypt
    #[arg(value_name = "string_to_encrypt")]
    strings: Vec<String>,
    /// Prompt for the string to encrypt
    #[arg(short, long)]
    prompt: bool,
    /// Do not hide input when prompted for the string to encrypt
    #[arg(long)]
    show_input: bool,
    /// Specify the variable name
    #[arg(short, long, value_name = "ENCRYPT_STRING_NAMES", allow_hyphen_values = true)]
    name: Vec<String>,
    /// Specify the variable name for stdin
    #[arg(long, value_name = "ENCRYPT_STRING_STDIN_NAME", allow_hyphen_values = true)]
    stdin_name: Option<String>,
    #[command(flatten)]
    to: OutputTo,
    #[command(flatten)]
    with: SealWith,
    #[command(flatten)]
    common: Common,
}

/// One text to seal.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    name: Option<String>,
    text: String,
    from: &'static str,
}

fn usage(message: &str, words: &str) -> Diagnostic {
    Diagnostic::new("V0103", Kind::Usage, message)
        .with_hint("`ansible-vault encrypt_string --help` shows the ways to give a text")
        .with_registered(words)
}

fn empty(from: &str) -> Diagnostic {
    let words = match from {
        "stdin" => "stdin was empty, not encrypting".to_owned(),
        from => format!("The plaintext provided from {from} was empty, not encrypting"),
    };
    usage("there is no text to seal", &words)
}

impl StringArgs {
    /// Standard input is one of the texts.
    fn reads_stdin(&self) -> bool {
        let named = self.stdin_name.as_ref().is_some_and(|name| !name.is_empty());
        self.strings.iter().any(|text| text == "-") || named || self.strings.is_empty() && !self.prompt
    }

    /// The texts of the command line with their names, and what to tell about names that do not match.
    fn of_arguments(&self) -> (Vec<Item>, Vec<String>) {
        let texts: Vec<&String> = self.strings.iter().filter(|text| *text != "-").collect();
        let mut notes = Vec::new();
        if let Some(last) = self.name.last()
            && texts.len() > self.name.len()
        {
            notes.push("The number of --name options do not match the number of args.".to_owned());
            notes.push(format!("The last named variable will be \"{last}\". The rest will not have names."));
        }
        let item = |(at, text): (usize, &&String)| Item {
            name: self.name.get(at).cloned().filter(|name| !name.is_empty()),
            text: (*text).clone(),
            from: "the command line args",
        };
        (texts.iter().enumerate().map(item).collect(), notes)
    }
}

pub(super) fn main(args: &StringArgs, config: Config, output: &Output) -> Result<ExitCode> {
    if args.prompt && args.reads_stdin() {
        return Err(usage(
            "a text cannot be typed and read from standard input too",
            "The --prompt option is not supported if also reading input from stdin",
        ));
    }
    if args.to.output_file.is_some() && args.strings.len() > 1 {
        let words = "At most one input file may be used with the --output option";
        return Err(usage("several texts cannot have one output", words));
    }
    let tools = Tools::new(&args.common, config, output, Prompts::New)?;
    let (id, password) = tools.sealing(&args.with)?;
    let mut items = Vec::new();
    if args.prompt {
        items.push(typed(args.show_input)?);
    }
    if args.reads_stdin() {
        items.push(read(args.stdin_name.clone(), output)?);
    }
    let (given, notes) = args.of_arguments();
    notes.iter().for_each(|note| output.note(&format!("{note}\n")));
    items.extend(given);
    let mut out = String::new();
    let several = items.len() > 1;
    let mut marks = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if item.text.is_empty() {
            return Err(empty(item.from));
        }
        let (number, from) = (at + 1, item.from);
        marks.push(match &item.name {
            Some(name) => {
                format!("# The encrypted version of variable (\"{name}\", the string #{number} from {from}).\n")
            }
            None => format!("# The encrypted version of the string #{number} from {from}.)\n"),
        });
        out.push_str(&item.name.as_ref().map_or_else(String::new, |name| format!("{name}: ")));
        out.push_str("!vault |\n");
        for line in tools.seal(item.text.as_bytes(), password, id)?.lines() {
            out.push_str(&format!("          {line}\n"));
        }
    }
    marks.iter().filter(|_| several).for_each(|mark| output.note(mark));
    args.to.write(std::path::Path::new("-"), out.as_bytes(), output)?;
    Ok(told("Encryption successful", output))
}

/// A name and a text from the terminal.
fn typed(shown: bool) -> Result<Item> {
    let terminal = Terminal::Beside;
    let name = terminal.line("Variable name (enter for no name): ").unwrap_or_default();
    let text = if shown {
        terminal.line("String to encrypt:").unwrap_or_default()
    } else {
        ask("String to encrypt (hidden): ")?.expose().to_owned()
    };
    if text.is_empty() {
        return Err(empty("the prompt"));
    }
    Ok(Item { name: Some(name).filter(|name| !name.is_empty()), text, from: "the interactive prompt" })
}

/// All of standard input.
fn read(name: Option<String>, output: &Output) -> Result<Item> {
    let person = std::io::stdout().is_terminal();
    if person {
        output.note(
            "Reading plaintext input from stdin. (ctrl-d to end input, twice if your content does not already have a \
             newline)\n",
        );
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Diagnostic::local("V0111", format!("standard input cannot be read: {error}")))?;
    if text.is_empty() {
        return Err(empty("stdin"));
    }
    if person && !text.ends_with('\n') {
        output.data("\n");
    }
    Ok(Item { name: name.filter(|name| !name.is_empty()), text, from: "stdin" })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: StringArgs,
    }

    fn line(words: &str) -> StringArgs {
        Line::parse_from(std::iter::once("x").chain(words.split_whitespace())).args
    }

    #[test]
    fn names_go_to_texts_in_their_order() {
        let (items, notes) = line("-n one a b").of_arguments();
        let named: Vec<(Option<&str>, &str)> = items.iter().map(|item| (item.name.as_deref(), &*item.text)).collect();
        assert_eq!(named, [(Some("one"), "a"), (None, "b")]);
        assert_eq!(notes[1], "The last named variable will be \"one\". The rest will not have names.");
        let (items, notes) = line("-n one -n two a -").of_arguments();
        assert_eq!((items.len(), notes.len()), (1, 0));
    }

    #[test]
    fn standard_input_is_read_when_it_is_meant() {
        for (words, read) in [("", true), ("a", false), ("a -", true), ("a --stdin-name x", true), ("-p", false)] {
            assert_eq!(line(words).reads_stdin(), read, "{words}");
        }
        assert!(line("-p -").reads_stdin() && line("-p --stdin-name x").reads_stdin());
    }
}
