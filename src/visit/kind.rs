//! What is a page view at all. Decided before anything else about a request, from what browsers say of it themselves.

use crate::ascii;
use crate::facts::{Request, Source};
use crate::plan::Scope;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A page that a person will see, in a tab or a frame.
    Navigation,
    /// Data that a script asks for: an experiment is only meant by it where the document names the page.
    Fetch,
    /// A part of a page: an image, a font, a script, a style, media, a worker. Never in an experiment.
    Resource,
}

/// How paths of files end that are no pages, for clients that say nothing else.
const FILES: [&str; 43] = [
    "7z", "aac", "avi", "avif", "bmp", "bz2", "css", "eot", "flac", "gif", "gz", "ico", "jpeg", "jpg", "js", "m3u8",
    "m4a", "m4v", "map", "mjs", "mov", "mp3", "mp4", "mpd", "mpeg", "oga", "ogg", "ogv", "opus", "otf", "pdf", "png",
    "svg", "tar", "tif", "tiff", "ttf", "wasm", "wav", "webm", "webp", "woff", "woff2",
];

/// The same of data, which a script asks for.
const DATA: [&str; 4] = ["csv", "json", "txt", "xml"];

impl RequestKind {
    /// Reads `Sec-Fetch-Dest`, which browsers send over https; where it is not sent, `Accept`; and where that says nothing
    /// either (a command line, a crawler, an old browser's script), the path.
    #[must_use]
    pub fn of<S: Source>(request: &Request<'_, S>) -> Self {
        match request.header("sec-fetch-dest").as_deref() {
            Some("document" | "iframe" | "frame" | "fencedframe") => Self::Navigation,
            // why: a link that is fetched ahead is a navigation that may never come; and one that the site's service worker
            // passes on has lost what it is for, but not its mode
            Some("empty") if is_ahead(request) && accepts_pages(request) || is_passed_on(request) => Self::Navigation,
            Some("empty") => Self::Fetch,
            Some(_) => Self::Resource,
            None => Self::by_accept(request),
        }
    }

    fn by_accept<S: Source>(request: &Request<'_, S>) -> Self {
        let accept = request.header("accept").unwrap_or_default();
        let mut ranges = ascii::pieces(&accept, b',').map(|range| ascii::trimmed(ascii::before(range, b';')));
        let is_page = |range: &str| {
            range.eq_ignore_ascii_case("text/html") || range.eq_ignore_ascii_case("application/xhtml+xml")
        };
        if ranges.clone().any(is_page) {
            return Self::Navigation;
        }
        let first = ranges.find(|range| !range.is_empty()).unwrap_or("*/*");
        match ascii::before(first, b'/').to_ascii_lowercase().as_str() {
            "*" if ends_in(request.url.path, &FILES) => Self::Resource,
            "*" if ends_in(request.url.path, &DATA) => Self::Fetch,
            // why: nobody reads a page from its middle
            "*" if request.header("range").is_some() => Self::Fetch,
            "*" => Self::Navigation,
            "image" | "font" | "audio" | "video" => Self::Resource,
            _ if first.eq_ignore_ascii_case("text/css") => Self::Resource,
            _ => Self::Fetch,
        }
    }

    /// Whether such a request may be in an experiment of a scope.
    #[must_use]
    pub fn may_be_in(self, scope: &Scope) -> bool {
        match self {
            Self::Navigation => true,
            Self::Fetch => scope.names_pages(),
            Self::Resource => false,
        }
    }
}

fn is_ahead<S: Source>(request: &Request<'_, S>) -> bool {
    crate::sender::is_prefetch(request)
}

fn is_passed_on<S: Source>(request: &Request<'_, S>) -> bool {
    request.header("sec-fetch-mode").as_deref() == Some("navigate")
}

fn accepts_pages<S: Source>(request: &Request<'_, S>) -> bool {
    request.header("accept").is_some_and(|accept| accept.contains("text/html"))
}

fn ends_in(path: &str, endings: &[&str]) -> bool {
    let name = path.rsplit('/').next().unwrap_or("");
    let Some((_, ending)) = name.rsplit_once('.') else { return false };
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}
