//! A worker to rehearse on: the built one in `wrangler dev`, with a KV, a port and an origin of its own.

use super::load;
use crate::cli::kv::{Kv, KvArguments, QUIET, missing, wrangler};
use crate::cli::terminal::Status;
use crate::cli::{Failure, clock::Stopwatch};
use crate::document::Document;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long the worker may take to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs wrangler and ends it when its own input is closed: so nothing is left running, however the tool ends.
const KEEPER: &str = "const { spawn } = require('node:child_process');
const child = spawn(process.argv[0], process.argv.slice(1), { stdio: ['ignore', 'inherit', 'inherit'] });
const end = () => child.kill('SIGTERM');
process.stdin.resume().on('end', end).on('error', end);
process.on('SIGTERM', end).on('SIGINT', end);
child.on('exit', (code) => process.exit(code ?? 1));";

const PAGE: &str =
    "<!doctype html><html lang=\"en\"><head><title>Rehearsal</title></head><body><h1>Rehearsal</h1></body></html>\n";

/// A worker that serves a document.
pub(super) struct Stage {
    /// Host and port.
    pub(super) address: String,
    folder: PathBuf,
    child: Child,
}

impl Stage {
    /// Starts one and waits until it answers.
    pub(super) fn start(document: &Document, ttl_seconds: u32) -> Result<Self, Failure> {
        if !Path::new("build/index.js").is_file() || !Path::new("wrangler.toml").is_file() {
            return Err(Failure::Outside(
                "there is no build/index.js to start: run this in the project's folder, after `npm run build`"
                    .to_owned(),
            ));
        }
        let outside = |error: std::io::Error| Failure::Outside(format!("the worker cannot be started: {error}"));
        let text = serde_json::to_string(document).map_err(|error| Failure::Outside(error.to_string()))?;
        let folder = std::env::temp_dir().join(format!("sortition-rehearsal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(outside)?;
        let stage = Kv(&KvArguments::local(Some(folder.clone()))).put("config", &text).and_then(|()| {
            let origin = serve_origin().map_err(outside)?;
            let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(outside)?.port();
            let child = spawn(&folder, port, &origin, ttl_seconds)?;
            Ok(Self { address: format!("127.0.0.1:{port}"), folder: folder.clone(), child })
        });
        let mut stage = match stage {
            Ok(stage) => stage,
            Err(failure) => {
                let _ = std::fs::remove_dir_all(&folder);
                return Err(failure);
            }
        };
        match stage.await_start() {
            Ok(()) => Ok(stage),
            Err(failure) => {
                stage.end();
                Err(failure)
            }
        }
    }

    /// Its KV.
    pub(super) fn kv(&self) -> KvArguments {
        KvArguments::local(Some(self.folder.clone()))
    }

    fn await_start(&mut self) -> Result<(), Failure> {
        let _status = Status::show("starting the worker");
        let watch = Stopwatch::start();
        while watch.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            if matches!(load::get(&self.address, "/_sortition/health", &[]), Ok((200, _))) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(6)..).unwrap_or_default().join(" ");
        Err(Failure::Outside(format!("the worker did not start: {last}")))
    }

    /// Ends it and takes its folder away.
    pub(super) fn end(mut self) {
        let _status = Status::show("ending the worker");
        // why: the keeper's input ends with it
        drop(self.child.stdin.take());
        let watch = Stopwatch::start();
        while watch.elapsed() < Duration::from_secs(20) && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(folder: &Path, port: u16, origin: &str, ttl_seconds: u32) -> Result<Child, Failure> {
    let (node, script) = wrangler();
    let Some(script) = script.first().filter(|_| node != "npx") else {
        return Err(Failure::Outside(
            "wrangler is not installed here: run this in the project's folder, after `npm install`".to_owned(),
        ));
    };
    let log = std::fs::File::create(folder.join("log"));
    let log = log.map_err(|error| Failure::Outside(format!("{}: {error}", folder.display())))?;
    let errors = log.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
    let mut command = Command::new(&node);
    command.args(["-e", KEEPER, "--"]).arg(script).args(["dev", "--ip", "127.0.0.1", "--inspector-port", "0"]);
    command.args(["--port", &port.to_string(), "--show-interactive-dev-session=false"]);
    command.arg("--persist-to").arg(folder);
    command.args(["--var", &format!("ORIGIN_URL:{origin}"), "--var", &format!("CONFIG_TTL_SECONDS:{ttl_seconds}")]);
    command.envs(QUIET).env("CI", "1").env("CLOUDFLARE_CF_FETCH_ENABLED", "false");
    command.stdin(Stdio::piped()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| missing(&node, &error))
}

/// An origin that answers everything with a small page, for as long as the process runs.
fn serve_origin() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(format!("http://{address}"))
}

fn answer(mut stream: TcpStream) {
    let mut request: Vec<u8> = Vec::new();
    let mut piece = [0; 4096];
    let head = loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break None,
            Ok(length) => request.extend(piece.iter().take(length)),
        }
        if request.windows(4).any(|end| end == b"\r\n\r\n") {
            break Some(());
        }
    };
    if head.is_some() {
        let length = PAGE.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}"
        );
        // why: whoever asked has gone, if this fails
        let _ = stream.write_all(answer.as_bytes());
    }
}
