//! Aggregates → estimates, intervals, probabilities, data-quality gates. Pure numbers.
//!
//! A readout goes like this: sum per variant into an [`Aggregate`], make a [`Comparison`] with the control, ask it
//! [`sequential()`] (the default, because people look every day), [`welch()`] or [`bayes()`] on the absolute scale for
//! the decision and [`fieller()`] for the lift to show, then [`holm`] or [`benjamini_hochberg`] across the family.
//! Whether the data may be trusted at all say [`srm()`], [`srm_sequential`] and [`novelty()`]; guardrails are [`noninferiority()`] at the end and [`watch_guardrail`]
//! on the way.
//!
//! What cannot be inferred is a [`Refusal`], never a NaN and never a "p = 1" that looks like a result. Money is in
//! whole minor units and variances of whole numbers are exact. Elementary functions come from `libm`, so native
//! and wasm agree to the bit, and no loop is unbounded.

pub mod special;

mod number;
mod refusal;
mod level;
mod aggregate;
mod comparison;
mod shards;
mod winsor;
mod welch;
mod sequential;
mod fieller;
mod bayes;
mod beta;
mod noninferiority;
mod srm;
mod multiple;
mod novelty;
mod power;
mod quantile;
mod interaction;
mod bandit;
mod shrinkage;
pub mod analyze;

pub use aggregate::{Aggregate, Metric, RatioCovariate};
pub use bandit::{OptionDay, OptionMean, chances_to_be_best, option_means, thompson_weights};
pub use bayes::{BayesRule, Decision, Direction, NormalPrior, Posterior, Prior, bayes};
pub use beta::{BetaPosterior, BetaPrior, FEW_CONVERSIONS, bayes_beta};
pub use comparison::{Comparison, Effect, Estimate, Interval, Moments};
pub use fieller::{Method, RelativeLift, fieller};
pub use interaction::{Interaction, interaction};
pub use level::Level;
pub use multiple::{Adjusted, benjamini_hochberg, holm};
pub use noninferiority::{GuardrailWatch, Margin, NonInferiority, Verdict, noninferiority, watch_guardrail};
pub use novelty::{TenureDay, TenureTrend, Trend, novelty};
pub use number::Number;
pub use power::{Baseline, PlanError, SampleSize, days_for, mde_at, power_at, sample_size, sequential_sample_size};
pub use quantile::{QuantileArm, RANK_WIDTH, quantile_of, rank_width, ranks, share_error};
pub use refusal::Refusal;
pub use sequential::{Tuning, sequential, width_factor};
pub use shards::{MergedMoments, Shard, merge, merge_runs};
pub use shrinkage::{Shrunk, shrink};
pub use srm::{DEFAULT_CONCENTRATION, RatioTest, SequentialRatioTest, srm, srm_sequential};
pub use welch::{TwoSided, welch};
pub use winsor::{BasisPoints, CapOver, CappedSums, cap, capped_sums};
