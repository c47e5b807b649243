//! (salt, unit) → a bucket of 0..10,000, and every other hash of the project. No other module hashes.
