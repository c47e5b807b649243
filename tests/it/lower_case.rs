//! The table of lower case, held to the standard library's.

use proptest::prelude::*;
use sortition_engine::lower_case;

#[test]
fn every_character_becomes_what_the_standard_library_says() {
    for character in '\0'..=char::MAX {
        let text = character.to_string();
        let ours: Vec<char> = lower_case::letters(&text).collect();
        assert_eq!(ours, character.to_lowercase().collect::<Vec<_>>(), "{character:?}");
    }
}

proptest! {
    #[test]
    fn a_text_becomes_what_its_characters_become(text: String, greek in "[Α-ΩİÅa-z ]{0,9}") {
        for text in [text, greek] {
            prop_assert_eq!(lower_case::text(&text), text.chars().flat_map(char::to_lowercase).collect::<String>());
        }
    }
}
