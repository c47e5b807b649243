//! `sortition completions`: what a shell completes, and the man pages, made of the same description as `--help`.

use super::{Failure, Report};
use clap::{Args, Command, ValueEnum};
use serde_json::json;
use std::path::PathBuf;

/// Complete commands in a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sortition completions bash > ~/.local/share/bash-completion/completions/sortition
  sortition completions zsh > ~/.zfunc/_sortition
  sortition completions fish > ~/.config/fish/completions/sortition.fish
  sortition completions man --into ~/.local/share/man/man1     a man page a command")]
pub(super) struct Arguments {
    /// The shell; `man` writes man pages.
    shell: Shell,
    /// The folder for man pages.
    #[arg(long, value_name = "FOLDER", required_if_eq("shell", "man"))]
    into: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Man,
}

pub(super) fn run(arguments: &Arguments, mut command: Command) -> Result<Report, Failure> {
    let shell = match arguments.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Man => return pages(arguments.into.clone().unwrap_or_default(), command),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "sortition", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    Ok(Report { json: json!({"shell": shell.to_string(), "script": text}), text, problems: Vec::new() })
}

/// A page for the tool and one for each command, as `git` and `git-push` have.
fn pages(folder: PathBuf, command: Command) -> Result<Report, Failure> {
    let unwritable =
        |error: std::io::Error| Failure::Outside(format!("{} cannot be written: {error}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(unwritable)?;
    clap_mangen::generate_to(command.disable_help_subcommand(true), &folder).map_err(unwritable)?;
    let text = format!("man pages are in {}\n", folder.display());
    Ok(Report { text, json: json!({"ok": true, "folder": folder}), problems: Vec::new() })
}
