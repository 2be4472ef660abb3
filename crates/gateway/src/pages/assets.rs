//! Scripts, styles and a brand's own files: read once at the start, compressed at their first use, kept in
//! memory.
//!
//! An address carries a digest of the content, so that a browser may keep a file for ever and still
//! sees the next one at once.

use crate::answer::{Answer, Content};
use crate::config::ConfigErrors;
use crate::gateway::{Ask, Gateway};
use crate::problem::Problem;
use crate::public::has_etag;
use crate::routes::Route;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

/// What a brand's folder may hold.
const BRAND_FILES_MAX: usize = 64;
const BRAND_FILE_BYTES_MAX: u64 = 512 * 1_024;

/// Kinds of files that are served, by their ending.
const KINDS: [(&str, &str); 8] = [
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("webp", "image/webp"),
    ("woff2", "font/woff2"),
    ("ico", "image/x-icon"),
];

/// Every file that is served beside pages.
#[derive(Debug)]
pub(crate) struct Assets {
    /// What their addresses start with.
    below: &'static str,
    files: BTreeMap<String, Asset>,
}

#[derive(Debug)]
struct Asset {
    kind: &'static str,
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    etag: HeaderValue,
    address: String,
}

/// What a brand's folder holds, by file name.
pub(crate) type BrandFiles = BTreeMap<String, Vec<u8>>;

impl Assets {
    pub(crate) fn new(below: &'static str) -> Assets {
        Assets { below, files: BTreeMap::new() }
    }

    /// Keep a file; a later one of the same name replaces it. Files of other kinds are left out.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) {
        let Some(kind) = kind_of(name) else { return };
        let digest = digest(content);
        let etag = HeaderValue::from_str(&format!("\"{digest}\"")).expect("hexadecimal digits");
        self.files.insert(
            name.to_owned(),
            Asset {
                kind,
                plain: Bytes::copy_from_slice(content),
                gzip: OnceLock::new(),
                etag,
                address: format!("{}{name}?v={digest}", self.below),
            },
        );
    }

    /// Return where each file is, by its name.
    pub(crate) fn addresses(&self) -> BTreeMap<&str, &str> {
        self.files.iter().map(|(name, asset)| (name.as_str(), asset.address.as_str())).collect()
    }

    /// Return how many bytes a file takes on its way.
    #[cfg(test)]
    pub(crate) fn compressed_bytes(&self, name: &str) -> usize {
        self.files[name].gzip().len()
    }
}

impl Asset {
    /// Return it compressed. Whoever never serves a file, as a simulator does, never pays for that.
    fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| gzip(&self.plain, Compression::best()))
    }
}

impl Assets {
    /// Answer with a file.
    pub(crate) fn answer(
        &self,
        name: &str,
        ask: &Ask<'_>,
        route: Route,
    ) -> Result<Answer, Problem> {
        let asset = self.files.get(name).ok_or_else(Problem::not_found)?;
        let named_by_digest = ask.query.is_some_and(|query| asset.address.ends_with(query));
        let keep = if named_by_digest { "public, max-age=31536000, immutable" } else { "no-cache" };
        let answer = if has_etag(ask.headers, &asset.etag) {
            Answer::empty(StatusCode::NOT_MODIFIED, route)
        } else {
            let content = Content::Asset(asset.kind);
            encoded(ask.headers, &asset.plain, asset.gzip(), route, content)
        };
        let keep = HeaderValue::from_static(keep);
        Ok(answer.with(ETAG, asset.etag.clone()).with(CACHE_CONTROL, keep))
    }
}

impl Gateway {
    /// `GET /assets/{name}`.
    pub(crate) fn asset(&self, name: &str, ask: &Ask<'_>) -> Result<Answer, Problem> {
        self.pages.look.assets.answer(name, ask, Route::Asset)
    }
}

/// Answer with the form of a body that the client takes.
pub(crate) fn encoded(
    headers: &HeaderMap,
    plain: &Bytes,
    gzip: &Bytes,
    route: Route,
    content: Content,
) -> Answer {
    let vary = HeaderValue::from_static("Accept-Encoding, Accept-Language, Cookie");
    let takes = takes_gzip(headers);
    let body = if takes { gzip.clone() } else { plain.clone() };
    let answer = Answer::of(StatusCode::OK, route, content, body).with(VARY, vary);
    match takes {
        true => answer.with(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        false => answer,
    }
}

/// Tell whether a client takes gzip. RFC 9110 §12.5.3; a weight of 0 means no.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    let named =
        headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().trim_start_matches("q=").trim();
        name.trim().eq_ignore_ascii_case("gzip") && weight.parse() != Ok(0.0)
    })
}

/// Compress. Nothing that a stranger chose but a pair of numbers stands in a page beside its tokens.
pub(crate) fn gzip(content: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 2), level);
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("a vector takes all").into()
}

/// Read a brand's folder.
///
/// # Errors
/// When it cannot be read, or holds more or larger files than it may.
pub(crate) fn read_brand(folder: &Path) -> Result<BrandFiles, ConfigErrors> {
    let wrong =
        |what: String| ConfigErrors::one(&folder.display().to_string(), "pages.brand", what);
    let unreadable = |error: std::io::Error| wrong(format!("cannot be read: {error}"));
    let mut files = BrandFiles::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.metadata().map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !kind.is_file() || name.starts_with('.') {
            continue;
        }
        if kind.len() > BRAND_FILE_BYTES_MAX || files.len() >= BRAND_FILES_MAX {
            let kib = BRAND_FILE_BYTES_MAX / 1_024;
            let what = format!("{name}: at most {BRAND_FILES_MAX} files of {kib} KiB each");
            return Err(wrong(what));
        }
        files.insert(name, std::fs::read(entry.path()).map_err(unreadable)?);
    }
    Ok(files)
}

fn kind_of(name: &str) -> Option<&'static str> {
    let ending = name.rsplit_once('.')?.1;
    KINDS.iter().find(|(known, _)| *known == ending).map(|(_, kind)| *kind)
}

/// Unkeyed: it names a version of a public file, and no table is hashed by it.
fn digest(content: &[u8]) -> String {
    let mut hasher = SipHasher13::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, GZip;q=0.5") && takes("deflate,gzip; q=1"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzip;q=0.0") && !takes(""));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn an_address_changes_with_the_content() {
        let mut assets = Assets::new("/assets/");
        assets.add("a.css", b"one");
        let one = assets.addresses()["a.css"].to_owned();
        assets.add("a.css", b"two");
        assert_ne!(assets.addresses()["a.css"], one);
        assets.add("a.exe", b"");
        assets.add("css", b"");
        assert_eq!(assets.addresses().len(), 1, "only kinds that are known");
    }
}
