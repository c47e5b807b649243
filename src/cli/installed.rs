//! What a script needs of npm's packages, said before Node says it with a stack.

use super::Failure;

/// A package that scripts import.
#[derive(Clone, Copy, Debug)]
pub(super) enum Package {
    /// wrangler, which owns the credentials and the local data.
    Wrangler,
    /// DuckDB, which reads the archive.
    DuckDb,
}

impl Package {
    fn name(self) -> &'static str {
        match self {
            Self::Wrangler => "wrangler",
            Self::DuckDb => "@duckdb/node-api",
        }
    }

    /// Fails where it is not installed in this folder or above.
    pub(super) fn required(self) -> Result<(), Failure> {
        let here = std::env::current_dir().unwrap_or_default();
        let name = self.name();
        if here.ancestors().any(|folder| folder.join("node_modules").join(name).join("package.json").is_file()) {
            return Ok(());
        }
        Err(Failure::Outside(match self {
            Self::Wrangler => {
                "wrangler is not installed here: run this in the project's folder, after `npm install`; `sortition init` makes one"
                    .to_owned()
            }
            Self::DuckDb => format!("DuckDB is not installed here: `npm install {name}` in the project's folder"),
        }))
    }
}
