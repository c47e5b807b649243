//! Sorting of short lists with little code. The standard library's sort is four kilobytes of wasm for every type of list;
//! the dozen lists that a visit of a page sorts took a twentieth of what it loads.

/// Sorts by a key; what is equal stays in its order. For lists of as many as a page or a cookie holds: it looks for each
/// member's place in a few steps, but makes room for it one by one.
pub fn sort_by_key<T, K: Ord>(list: &mut [T], key: impl Fn(&T) -> K) {
    for end in 1..list.len() {
        let (before, rest) = list.split_at(end);
        let Some(own) = rest.first().map(&key) else { return };
        let at = before.partition_point(|one| key(one) <= own);
        for place in (at..end).rev() {
            list.swap(place, place + 1);
        }
    }
}

/// Sorts what has an order of its own.
pub fn sort<T: Ord + Copy>(list: &mut [T]) {
    sort_by_key(list, |one| *one);
}
