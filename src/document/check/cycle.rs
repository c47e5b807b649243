//! Circles of references.

/// The circles of a graph whose node `n` leads to the nodes `edges[n]`, each as the nodes on it in order, starting
/// with its smallest: at least one of every knot of nodes that reach each other, and none where there is no circle.
///
/// A depth-first search with a stack of its own: a chain of ten thousand experiments must not exhaust the worker's.
pub(super) fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnPath,
        Done,
    }
    let mut seen = vec![Seen::Not; edges.len()];
    let mut found = Vec::new();
    for start in 0..edges.len() {
        if seen.get(start) != Some(&Seen::Not) {
            continue;
        }
        let mut path: Vec<(usize, std::slice::Iter<'_, usize>)> = Vec::new();
        let mut next = Some(start);
        loop {
            if let Some(node) = next.take() {
                if let (Some(mark), Some(targets)) = (seen.get_mut(node), edges.get(node)) {
                    *mark = Seen::OnPath;
                    path.push((node, targets.iter()));
                }
                continue;
            }
            let Some((node, targets)) = path.last_mut() else { break };
            match targets.next() {
                Some(&target) => match seen.get(target) {
                    Some(Seen::Not) => next = Some(target),
                    Some(Seen::OnPath) => {
                        found.push(
                            path.iter().map(|(node, _)| *node).skip_while(|node| *node != target).collect::<Vec<_>>(),
                        );
                    }
                    _ => {}
                },
                None => {
                    if let Some(mark) = seen.get_mut(*node) {
                        *mark = Seen::Done;
                    }
                    path.pop();
                }
            }
        }
    }
    for circle in &mut found {
        let smallest = circle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(at, _)| at);
        circle.rotate_left(smallest);
    }
    found.sort();
    found.dedup();
    found
}
