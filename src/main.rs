//! The operator's tool; see [`sortition_engine::cli`].

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    sortition_engine::cli::run()
}

#[cfg(target_arch = "wasm32")]
fn main() {}
