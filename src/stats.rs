//! Aggregates → estimates, intervals, probabilities, data-quality gates. Pure numbers.
