//! A server that decides for itself, without asking the worker: `cargo run --example server -- experiments.json [PORT]`.
//!
//! It answers `POST /choose` and OFREP's `POST /ofrep/v1/evaluate/flags…` by the document, and `GET /` with a page that
//! shows a visitor their variants. There is nothing of a framework in it, so that what remains is the engine.

use sortition_engine::engine::{Engine, Who};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest body that is read, in bytes.
const LONGEST_BODY: usize = 1 << 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("give the document: server experiments.json [PORT]")?;
    let port = arguments.next().unwrap_or_else(|| "8080".to_owned());
    let document = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
    let lines = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect::<Vec<String>>().join("\n");
    let engine = Arc::new(Engine::new(&document).map_err(lines)?);
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).map_err(|error| error.to_string())?;
    println!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    for stream in listener.incoming().flatten() {
        let engine = Arc::clone(&engine);
        std::thread::spawn(move || {
            // why: whoever hangs up is no failure of ours
            let _ = serve(&engine, stream);
        });
    }
    Ok(())
}

fn serve(engine: &Engine, stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(LONGEST_BODY as u64 + 65_536));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut length, mut cookie) = (0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "cookie" => value.trim().clone_into(&mut cookie),
            _ => {}
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    if method == "GET" {
        return write(stream, 200, &[("content-type", "text/plain; charset=utf-8")], &page(engine, &cookie));
    }
    let mut body = vec![0; length.min(LONGEST_BODY + 1)];
    reader.read_exact(&mut body)?;
    match engine.answer(path.trim_start_matches('/'), &body, None, now()) {
        Some(answer) => {
            let headers: Vec<(&str, &str)> =
                answer.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            write(stream, answer.status, &headers, &answer.body)
        }
        None => write(stream, 404, &[], "there is no such path\n"),
    }
}

/// What a visitor's cookie makes of every experiment.
fn page(engine: &Engine, cookie: &str) -> String {
    let id = cookie.split("; ").find_map(|pair| pair.strip_prefix("sortition_id=")).unwrap_or("nobody-in-particular");
    let chosen = engine.decide(&[], &Who::visitor(id), now()).unwrap_or_default();
    chosen
        .iter()
        .map(|one| format!("{}: {} ({})\n", one.experiment, one.variant.unwrap_or("-"), one.reason.as_str()))
        .collect()
}

fn write(mut stream: TcpStream, status: u16, headers: &[(&str, &str)], body: &str) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n" + body).as_bytes())
}

#[allow(clippy::disallowed_methods)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
