//! Suggestions for misspelt words.

use proptest::prelude::*;
use sortition_engine::suggestion::suggest;

#[test]
fn suggests_what_was_meant() {
    let words = ["country", "city", "device", "os", "cookie", "$in", "$nin", "$not"];
    for (word, meant) in [
        ("contry", Some("country")),
        ("coutnry", Some("country")),
        ("Country", Some("country")),
        ("COUNTYR", Some("country")),
        ("devise", Some("device")),
        ("dvc", None),
        ("so", Some("os")),
        ("o", None),
        ("x", None),
        ("", None),
        ("$inn", Some("$in")),
        ("$nto", Some("$not")),
        ("weather", None),
        (&"country".repeat(20), None),
    ] {
        assert_eq!(suggest(word, words.into_iter()), meant, "{word}");
    }
}

#[test]
fn of_equally_close_words_the_first_is_suggested() {
    assert_eq!(suggest("bat", ["cat", "hat"].into_iter()), Some("cat"));
    assert_eq!(suggest("bat", ["hat", "cat"].into_iter()), Some("hat"));
    assert_eq!(suggest("mobiles", ["mobil", "mobile"].into_iter()), Some("mobile"), "the closer one is second");
}

proptest! {
    /// One slip in a word of four letters or more is always forgiven, whatever the letters.
    #[test]
    fn one_slip_is_forgiven(word in "[a-z]{4,20}", at in 0_usize..20, slip in 0..3) {
        let mut letters: Vec<char> = word.chars().collect();
        let at = at % (letters.len() - 1);
        match slip {
            0 => { letters.remove(at); }
            1 => letters.insert(at, 'é'),
            _ => letters.swap(at, at + 1),
        }
        let typed: String = letters.into_iter().collect();
        prop_assert_eq!(suggest(&typed, std::iter::once(word.as_str())), Some(word.as_str()));
    }

    #[test]
    fn never_panics(word in ".{0,80}", other in ".{0,80}") {
        let _ = suggest(&word, std::iter::once(other.as_str()));
    }
}
