//! Answers a script of requests from standard input; see `sortition_engine::replay`.

use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut script = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut script) {
        eprintln!("the script cannot be read: {error}");
        return ExitCode::FAILURE;
    }
    match sortition_engine::replay::replay(&script) {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
