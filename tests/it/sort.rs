//! Sorting with little code is sorting all the same.

use crate::assignments::cases;
use proptest::prelude::*;
use sortition_engine::sort::{sort, sort_by_key};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(500)))]

    #[test]
    fn it_sorts_as_the_standard_library_does(mut list: Vec<(u8, u16)>) {
        let (mut by_key, mut expected) = (list.clone(), list.clone());
        expected.sort_by_key(|(key, _)| *key);
        sort_by_key(&mut by_key, |(key, _)| *key);
        prop_assert_eq!(by_key, expected, "what is equal stays in its order");
        let mut expected = list.clone();
        expected.sort_unstable();
        sort(&mut list);
        prop_assert_eq!(list, expected);
    }
}
