//! Eight bytes at a time against one at a time.

use proptest::prelude::*;
use sortition_engine::ascii;

proptest! {
    #[test]
    fn a_byte_stands_where_it_stands(text in "[ -~\\t\u{80}-\u{2ff}]{0,40}", byte in 0_u8..0x80) {
        prop_assert_eq!(ascii::position(&text, byte), text.bytes().position(|here| here == byte));
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands(
        text in "[\\x00-\u{ff}]{0,24}",
        before in "[ -~\u{80}-\u{7ff}]{0,24}",
        code in 0_u8..0x80,
    ) {
        let has = |text: &str| text.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
        prop_assert_eq!(ascii::has_control(&text), has(&text));
        prop_assert!(!ascii::has_control(&before));
        let with = format!("{before}{}{before}", char::from(code));
        prop_assert_eq!(ascii::has_control(&with), has(&with));
    }

    #[test]
    fn markup_is_found_wherever_it_stands(text in "[\\x00-\u{ff}]{0,24}", plain in "[ -%'-;=?-~]{0,24}", code in 0_u8..0x80) {
        let has = |text: &str| text.bytes().any(|byte| byte >= 0x80 || b"<>&".contains(&byte));
        prop_assert_eq!(ascii::has_markup(&text), has(&text));
        let with = format!("{plain}{}{plain}", char::from(code));
        prop_assert_eq!(ascii::has_markup(&with), has(&with));
    }
}
