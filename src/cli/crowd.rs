//! Many visitors, for simulations: synthetic ones, the same for the same seed, or given ones.

use super::{Failure, input};
use crate::visitor::VisitorId;
use std::collections::BTreeSet;

/// What the column of visitor ids may be called, in lower case.
const COLUMNS: [&str; 4] = ["visitor_id", "anonymous_id", "visitor", "id"];

/// Who is simulated.
pub(super) enum Crowd {
    /// This many, made of a seed.
    Synthetic { visitors: u64, seed: u64 },
    /// These.
    Given(Vec<String>),
}

impl Crowd {
    /// The visitors of a file or of standard input, each once: a log of visits names some of them often, and the test of
    /// the ratio is of visitors. Comma-separated lines may have columns; a first line with a name of [`COLUMNS`] says
    /// which one it is, else it is the first.
    pub(super) fn read(file: &str) -> Result<Self, Failure> {
        let text = input::read(file)?;
        let mut ids = BTreeSet::new();
        let mut column = 0;
        let cell = |cell: &str| cell.trim().trim_matches('"').to_owned();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let named = || line.split(',').position(|name| COLUMNS.contains(&cell(name).to_ascii_lowercase().as_str()));
            if let Some(position) = if number == 0 { named() } else { None } {
                column = position;
                continue;
            }
            if line.trim().is_empty() {
                continue;
            }
            let id = line.split(',').nth(column).map(cell).unwrap_or_default();
            let id = id.as_str();
            if VisitorId::accept(id).is_none() {
                return Err(Failure::Usage(format!(
                    "line {} of the ids: {id:?} is no visitor id (8 to 128 characters of A-Z a-z 0-9 . _ ~ -)",
                    number + 1
                )));
            }
            ids.insert(id.to_owned());
        }
        Ok(Self::Given(ids.into_iter().collect()))
    }

    /// How many they are.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Synthetic { visitors, .. } => *visitors,
            Self::Given(ids) => ids.len() as u64,
        }
    }

    /// The id of one of them.
    pub(super) fn id(&self, number: u64) -> String {
        match self {
            Self::Synthetic { seed, .. } => VisitorId::from_random(bytes(*seed, number)).to_string(),
            Self::Given(ids) => usize::try_from(number).ok().and_then(|at| ids.get(at)).cloned().unwrap_or_default(),
        }
    }
}

/// 16 bytes that look random (SplitMix64; Steele, Lea, Flood, 2014): the numbers of one seed follow each other.
fn bytes(seed: u64, number: u64) -> [u8; 16] {
    let mix = |state: u64| {
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let step = 0x9e37_79b9_7f4a_7c15_u64;
    let start = mix(seed.wrapping_add(step)).wrapping_add(number.wrapping_mul(2).wrapping_mul(step));
    let (high, low) = (mix(start.wrapping_add(step)), mix(start.wrapping_add(step).wrapping_add(step)));
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

/// Asks something of every visitor of a crowd on all cores, and adds the answers up. `step` is told a worker's running
/// answer and a visitor's id; `tick` how many are done, now and then.
pub(super) fn survey<T: Send + Default>(
    crowd: &Crowd,
    step: impl Fn(&mut T, &str) + Sync,
    merge: impl Fn(&mut T, T),
    tick: impl Fn(u64),
) -> Result<T, Failure> {
    use std::sync::atomic::{AtomicU64, Ordering};
    const BATCH: u64 = 2048;
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let total = crowd.len();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            let mut answer = T::default();
            loop {
                let from = next.fetch_add(BATCH, Ordering::Relaxed);
                if from >= total {
                    return answer;
                }
                let to = (from + BATCH).min(total);
                (from..to).for_each(|number| step(&mut answer, &crowd.id(number)));
                done.fetch_add(to - from, Ordering::Relaxed);
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            tick(done.load(Ordering::Relaxed));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let mut all = T::default();
        for worker in workers {
            let answer = worker.join().map_err(|_| Failure::Outside("a thread of the simulation failed".to_owned()))?;
            merge(&mut all, answer);
        }
        Ok(all)
    })
}
