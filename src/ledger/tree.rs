//! SQL as a tree: text, and calls of what engines write differently or what a question fills in.
//!
//! In the files beside this one a call is `$name(argument, …)`; arguments are SQL, and may hold calls. What stands in
//! quotes is text.

/// A piece of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ledger) enum Node<'a> {
    /// SQL that every engine reads alike.
    Text(&'a str),
    /// Something that a word of the question or the dialect stands for.
    Call(&'a str, Vec<Vec<Node<'a>>>),
}

/// Takes a text apart. Total: what is no call is text.
#[must_use]
pub(in crate::ledger) fn parse(text: &str) -> Vec<Node<'_>> {
    let mut reader = Reader { text, at: 0 };
    let mut nodes = Vec::new();
    // why: outside of calls a comma or a bracket has no meaning, so the arguments are put together again
    loop {
        let start = reader.at;
        nodes.append(&mut reader.sequence());
        if reader.at >= text.len() {
            return nodes;
        }
        reader.at += 1;
        nodes.extend(text.get(reader.at - 1..reader.at).map(Node::Text));
        debug_assert!(reader.at > start);
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads until a comma or a closing bracket of the call it is in, or the end.
    fn sequence(&mut self) -> Vec<Node<'a>> {
        let mut nodes = Vec::new();
        let (mut start, mut depth) = (self.at, 0_u32);
        let text = |from: usize, to: usize| self.text.get(from..to).filter(|text| !text.is_empty()).map(Node::Text);
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'\'' => {
                    let after = self.text.get(self.at + 1..).and_then(|rest| rest.find('\''));
                    self.at = after.map_or(self.text.len(), |length| self.at + length + 2);
                }
                b'$' => {
                    let name = self.rest().get(1..).unwrap_or_default();
                    let length = name.bytes().take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_').count();
                    if length == 0 || name.as_bytes().get(length) != Some(&b'(') {
                        self.at += 1;
                        continue;
                    }
                    nodes.extend(text(start, self.at));
                    let name = name.get(..length).unwrap_or_default();
                    self.at += length + 2;
                    nodes.push(Node::Call(name, self.arguments()));
                    start = self.at;
                }
                b'(' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' | b',' if depth == 0 => break,
                b')' => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
        nodes.extend(text(start, self.at));
        nodes
    }

    /// Reads what stands between the brackets of a call, and the closing one.
    fn arguments(&mut self) -> Vec<Vec<Node<'a>>> {
        let mut arguments = Vec::new();
        loop {
            let argument = self.sequence();
            let end = self.text.as_bytes().get(self.at) != Some(&b',');
            if !(end && arguments.is_empty() && argument.is_empty()) {
                arguments.push(argument);
            }
            self.at += 1;
            if end {
                return arguments;
            }
        }
    }
}
