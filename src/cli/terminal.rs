//! What only a terminal sees: colour and a bar of progress. Reports carry marks, so that what a command says is one text
//! whether it is painted or not.

use clap::builder::styling::{AnsiColor, Style};
use std::io::{IsTerminal as _, Write as _};

const STRONG: char = '\u{1}';
const FAINT: char = '\u{2}';
const GOOD: char = '\u{3}';
const BAD: char = '\u{4}';
const END: char = '\u{5}';

/// A heading, or the name of what a line is about.
pub(super) fn strong(text: impl std::fmt::Display) -> String {
    format!("{STRONG}{text}{END}")
}

/// What is there for those who look closely.
pub(super) fn faint(text: impl std::fmt::Display) -> String {
    format!("{FAINT}{text}{END}")
}

/// What is as it should be.
pub(super) fn good(text: impl std::fmt::Display) -> String {
    format!("{GOOD}{text}{END}")
}

/// What is not.
pub(super) fn bad(text: impl std::fmt::Display) -> String {
    format!("{BAD}{text}{END}")
}

/// A report for standard output: its marks as colours on a terminal, else without them. Other control characters, which
/// a document may hold, never reach the terminal.
pub(super) fn painted(text: &str) -> String {
    paint(text, std::io::stdout().is_terminal() && wants_colour())
}

/// A line of a problem for standard error.
pub(super) fn painted_problem(text: &str) -> String {
    let marked = match text.split_once(' ') {
        Some((word @ ("error" | "error:"), rest)) => format!("{} {rest}", bad(word)),
        Some((word, rest)) => format!("{} {rest}", strong(word)),
        None => text.to_owned(),
    };
    paint(&marked, std::io::stderr().is_terminal() && wants_colour())
}

/// What is said behind a line of a problem on a terminal alone, faintly: scripts read such lines to their end.
pub(super) fn aside(text: &str) -> String {
    if std::io::stderr().is_terminal() { faint(text) } else { String::new() }
}

/// Asks for a word before something is done, where a person can be asked; elsewhere it is taken as given.
pub(super) fn confirmed(what: &str, word: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return true;
    }
    let _ = write!(std::io::stderr(), "{what}; type `{word}` to go on: ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == word
}

/// Asks a question where a person can be asked; the default is what an empty answer and everybody else get.
pub(super) fn asked(question: &str, default: &str) -> String {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return default.to_owned();
    }
    let _ = write!(std::io::stderr(), "{question}: ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer).is_ok();
    if read && !answer.trim().is_empty() { answer.trim().to_owned() } else { default.to_owned() }
}

/// <https://no-color.org>
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn paint(text: &str, colour: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let style = match character {
            STRONG => Style::new().bold(),
            FAINT => Style::new().dimmed(),
            GOOD => AnsiColor::Green.on_default(),
            BAD => AnsiColor::Red.on_default().bold(),
            END => Style::new(),
            '\n' | '\t' => {
                out.push(character);
                continue;
            }
            other if other.is_control() => {
                out.extend(other.escape_default());
                continue;
            }
            other => {
                out.push(other);
                continue;
            }
        };
        if colour && character == END {
            out.push_str(&format!("{}", Style::new().bold().render_reset()));
        } else if colour {
            out.push_str(&style.render().to_string());
        }
    }
    out
}

/// A bar of progress on standard error, where that is a terminal.
pub(super) struct Progress {
    total: u64,
    shown: bool,
}

impl Progress {
    const WIDTH: u64 = 32;

    /// A bar that is full at `total`.
    pub(super) fn new(total: u64) -> Self {
        Self { total, shown: std::io::stderr().is_terminal() }
    }

    /// Draws how far it is.
    pub(super) fn draw(&self, done: u64) {
        if self.shown && self.total > 0 {
            let filled = (done.min(self.total) * Self::WIDTH / self.total) as usize;
            let empty = Self::WIDTH as usize - filled;
            let percent = done * 100 / self.total;
            let _ = write!(std::io::stderr(), "\r{}{} {percent:>3} %", "█".repeat(filled), "░".repeat(empty));
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
        }
    }
}

/// A line on standard error, where that is a terminal, that says what is waited for; gone with this value.
pub(super) struct Status;

impl Status {
    /// Shows it.
    pub(super) fn show(doing: &str) -> Self {
        if std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K{} …", paint(doing, false));
        }
        Self
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if std::io::stderr().is_terminal() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[2K");
        }
    }
}

/// A table: columns as wide as their widest cell, the first on the left, the others on the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            match widths.get_mut(column) {
                Some(width) => *width = (*width).max(width_of(cell)),
                None => widths.push(width_of(cell)),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(width_of(cell)));
            let cell = if column == 0 { format!("{cell}{gap}") } else { format!("{gap}{cell}") };
            line.push_str(&format!(" {cell} "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn width_of(cell: &str) -> usize {
    cell.chars().filter(|character| !character.is_control()).count()
}
