//! Compiles the crawler patterns into the table that `visitor::crawler` looks up.
//!
//! Input: the vendored list (`fixtures/crawlers/patterns.txt`) and our own tokens
//! (`src/visitor/crawler/tokens.txt`), one small regular expression a line, case ignored. Output, in `OUT_DIR`:
//! `crawler_records.bin`, the literals grouped by slot, each as `length, flags, text`; and `crawler_slots.rs`, where
//! each slot's group begins and which beginnings of literals exist at all. Nothing here is a regex engine: alternatives and classes are multiplied out, and a pattern
//! that cannot be (a repetition, a negated class) is accepted only when a literal found inside it already decides.
//!
//! It also writes `lower_case.rs`, the table of `lower_case`, from what the standard library says.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::{env, fs, path::Path};

#[path = "src/visitor/crawler/slot.rs"]
mod slot;

/// As many as `slot::mark` gives.
const MARKS: usize = 8192;
const SLOTS: usize = MARKS / 8;

/// Stands in a text for "anything may be here". No user agent contains it.
const GAP: u8 = 0;
const AT_START: u8 = 1;
const AT_END: u8 = 2;
/// The literal is a browser's: what is found inside it does not count.
const BROWSER: u8 = 4;
/// The literal counts only as it is written.
const EXACT_CASE: u8 = 8;

/// Vendored patterns shorter than this keep their case: folded, `NING/` would be found in `Lightning/2.6`, a calendar
/// that real browsers name.
const FOLDED_FROM_BYTES: usize = 6;

/// One literal to look for. Exceptions sort before the rest of their slot, since they must be tried first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Literal {
    not_browser: bool,
    text: Vec<u8>,
    start: bool,
    end: bool,
    exact: bool,
}

impl Literal {
    fn followed_by(&self, next: &Literal) -> Result<Literal, String> {
        if self.end || (next.start && !self.text.is_empty()) {
            return Err("an anchor in the middle".to_owned());
        }
        let text = [self.text.as_slice(), next.text.as_slice()].concat();
        Ok(Literal { text, start: self.start || next.start, end: next.end, ..*self })
    }

    /// True when whatever this literal matches, `other` matches too.
    fn implied_by(&self, other: &Literal) -> bool {
        if other.exact {
            return self == other;
        }
        let text = self.text.to_ascii_lowercase();
        match (other.start, other.end) {
            (false, false) => text.windows(other.text.len()).any(|part| part == other.text),
            (true, false) => self.start && text.starts_with(&other.text),
            (false, true) => self.end && text.ends_with(&other.text),
            (true, true) => self == other,
        }
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        flag(self.start, AT_START)
            | flag(self.end, AT_END)
            | flag(!self.not_browser, BROWSER)
            | flag(self.exact, EXACT_CASE)
    }
}

/// Multiplies one pattern out into its literals.
struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Parser<'_> {
    fn alternatives(&mut self) -> Result<Vec<Literal>, String> {
        let mut all = Vec::new();
        let mut branch = vec![Literal { not_browser: true, ..Literal::default() }];
        loop {
            match self.rest.peek() {
                None | Some(')') => {
                    all.append(&mut branch);
                    return Ok(all);
                }
                Some('|') => {
                    self.rest.next();
                    all.append(&mut branch);
                    branch = vec![Literal { not_browser: true, ..Literal::default() }];
                }
                Some(_) => {
                    let atom = self.atom()?;
                    let mut longer = Vec::new();
                    for prefix in &branch {
                        for next in &atom {
                            longer.push(prefix.followed_by(next)?);
                        }
                    }
                    branch = longer;
                }
            }
        }
    }

    fn atom(&mut self) -> Result<Vec<Literal>, String> {
        let text = |byte: char| {
            let byte = u8::try_from(byte).map_err(|_| format!("`{byte}` is not ASCII"))?;
            Ok::<_, String>(Literal { not_browser: true, text: vec![byte], ..Literal::default() })
        };
        let gap = || Literal { not_browser: true, text: vec![GAP], ..Literal::default() };
        let atom = match self.rest.next().ok_or("ends too early")? {
            '(' => {
                let inner = self.alternatives()?;
                self.rest.next().ok_or("a group is not closed")?;
                inner
            }
            '[' => {
                let class: Vec<char> = self.rest.by_ref().take_while(|&next| next != ']').collect();
                if class.iter().any(|member| ['^', '\\', '-'].contains(member)) {
                    vec![gap()]
                } else {
                    class.into_iter().map(text).collect::<Result<_, _>>()?
                }
            }
            '\\' => match self.rest.next().ok_or("ends in a backslash")? {
                escaped if escaped.is_ascii_alphanumeric() => vec![gap()],
                escaped => vec![text(escaped)?],
            },
            '^' => vec![Literal { not_browser: true, start: true, ..Literal::default() }],
            '$' => vec![Literal { not_browser: true, end: true, ..Literal::default() }],
            '.' => vec![gap()],
            literal => vec![text(literal)?],
        };
        if self.rest.next_if(|next| ['*', '+', '?', '{'].contains(next)).is_some() {
            return if atom == [gap()] { Ok(atom) } else { Err("a repetition".to_owned()) };
        }
        Ok(atom)
    }
}

/// The literals of a list of patterns; `!` before a pattern marks a browser's, `#` a comment.
fn literals(list: &str, folded_from: usize, into: &mut BTreeSet<Literal>) -> Result<(), String> {
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (pattern, not_browser) = line.strip_prefix('!').map_or((line, true), |pattern| (pattern, false));
        let parsed = Parser { rest: pattern.chars().peekable() }.alternatives();
        let parsed = parsed.map_err(|problem| format!("crawler pattern `{line}`: {problem}"))?;
        into.extend(parsed.into_iter().map(|literal| {
            let exact = literal.text.len() < folded_from;
            let text = if exact { literal.text } else { literal.text.to_ascii_lowercase() };
            Literal { not_browser, text, exact, ..literal }
        }));
    }
    Ok(())
}

/// Drops what another literal decides anyway, and refuses what the table cannot hold.
fn needed(all: &BTreeSet<Literal>) -> Result<Vec<Literal>, String> {
    let mut kept = Vec::new();
    for literal in all {
        let holds_browser = all.iter().any(|other| !other.not_browser && literal.implied_by(other));
        let decided = literal.not_browser
            && !holds_browser
            && all.iter().any(|other| {
                other.not_browser && other != literal && !other.text.contains(&GAP) && literal.implied_by(other)
            });
        if decided {
            continue;
        }
        if literal.text.contains(&GAP) || !(3..=255).contains(&literal.text.len()) {
            let text = String::from_utf8_lossy(&literal.text).replace('\0', "…");
            return Err(format!("crawler pattern `{text}` has no literal of 3 to 255 bytes"));
        }
        kept.push(literal.clone());
    }
    Ok(kept)
}

/// What makes a packed plan: a plan of other sources is not read.
const PACKED: [&str; 6] = ["src/pack", "src/hash", "src/lower_case", "src/condition", "src/document", "src/plan"];

/// A fingerprint of sources (FNV-1a of 64 bits, from two starts), for `plan::packed`.
fn fingerprint() -> Result<[u8; 16], Box<dyn Error>> {
    let mut files = BTreeSet::new();
    for path in PACKED {
        for path in [Path::new(path), &Path::new(path).with_extension("rs")] {
            println!("cargo:rerun-if-changed={}", path.display());
            gather(path, &mut files)?;
        }
    }
    let mut sums = [0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15];
    for file in files {
        for byte in fs::read(file)?.into_iter().filter(|byte| *byte != b'\r') {
            sums = sums.map(|sum| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        }
    }
    let [first, second] = sums.map(u64::to_le_bytes);
    Ok([first, second].concat().try_into().unwrap_or_default())
}

fn gather(path: &Path, files: &mut BTreeSet<std::path::PathBuf>) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            gather(&entry?.path(), files)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") && path.is_file() {
        files.insert(path.to_owned());
    }
    Ok(())
}

/// Ranges of capitals beyond ASCII, of which each is as far from its small letter as the others: where they start; twice how
/// long they are, and one more where only every second character of them is a capital; and how far the small letters are.
fn lower_case() -> Result<String, Box<dyn Error>> {
    let mut ranges: Vec<(u32, u32, u32, i32)> = Vec::new();
    for capital in '\u{80}'..=char::MAX {
        let mut letters = capital.to_lowercase();
        let (small, code) = (letters.next().ok_or("no letter")?, u32::from(capital));
        // why: one capital has two letters, of which `condition::lower_case` knows
        if letters.next().is_some() != (capital == '\u{130}') {
            return Err(format!("{capital:?} has more letters in lower case than expected").into());
        }
        let shift = i32::try_from(u32::from(small))? - i32::try_from(code)?;
        if shift == 0 {
            continue;
        }
        let follows = ranges.last_mut().filter(|(_, last, step, same)| {
            let gap = code - last;
            *same == shift && if *step == 0 { gap <= 2 } else { gap == *step }
        });
        match follows {
            Some((_, last, step, _)) => (*last, *step) = (code, code - *last),
            None => ranges.push((code, code, 0, shift)),
        }
    }
    let starts: Vec<u32> = ranges.iter().map(|(start, ..)| *start).collect();
    let length = |(start, last, step, _): &(u32, u32, u32, i32)| (last - start + 1) * 2 + u32::from(*step == 2);
    let lengths = ranges.iter().map(|range| u16::try_from(length(range)));
    let lengths: Vec<u16> = lengths.collect::<Result<_, _>>()?;
    let shifts: Vec<i32> = ranges.iter().map(|(.., shift)| *shift).collect();
    let count = ranges.len();
    Ok(format!(
        "static STARTS: [u32; {count}] = {starts:?};\nstatic LENGTHS: [u16; {count}] = {lengths:?};\nstatic SHIFTS: [i32; {count}] = {shifts:?};\n"
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    fs::write(Path::new(&env::var("OUT_DIR")?).join("plan_format.bin"), fingerprint()?)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("lower_case.rs"), lower_case()?)?;
    let mut all = BTreeSet::new();
    let lists = [("fixtures/crawlers/patterns.txt", FOLDED_FROM_BYTES), ("src/visitor/crawler/tokens.txt", 0)];
    for (path, folded_from) in lists {
        println!("cargo:rerun-if-changed={path}");
        literals(&fs::read_to_string(path)?, folded_from, &mut all)?;
    }
    println!("cargo:rerun-if-changed=src/visitor/crawler/slot.rs");

    let mut marks = vec![0_u64; MARKS / 64];
    let mut slots = vec![Vec::new(); SLOTS];
    for literal in needed(&all)? {
        if let [first, second, third, ..] = *literal.text.as_slice() {
            let mark = slot::mark(first, second, third);
            *marks.get_mut(mark / 64).ok_or("no such mark")? |= 1 << (mark % 64);
            let group: &mut Vec<u8> = slots.get_mut(mark / 8).ok_or("no such slot")?;
            group.extend([u8::try_from(literal.text.len())?, literal.flags()]);
            group.extend(&literal.text);
        }
    }

    let mut records = Vec::new();
    let mut begins = format!("static MARKED: [u64; {}] = {marks:?};\n", marks.len());
    write!(begins, "static BEGINS: [u16; {}] = [", SLOTS + 1)?;
    for group in &slots {
        write!(begins, "{},", u16::try_from(records.len())?)?;
        records.extend(group);
    }
    write!(begins, "{}];", u16::try_from(records.len())?)?;

    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("crawler_records.bin"), records)?;
    fs::write(Path::new(&out).join("crawler_slots.rs"), begins)?;
    Ok(())
}
