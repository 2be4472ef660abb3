//! `GET /console` on the admin side: figures and controls of a running sale.
//!
//! The page and its files hold nothing secret and need no token; everything they show they ask of the
//! admin API, with the key that the operator types. So the console can do nothing that the key may not.

use super::assets::Assets;
use crate::answer::{Answer, Content};
use crate::gateway::{Ask, Gateway};
use crate::problem::Problem;
use crate::routes::{GET, Matched, Route, is_get, one};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, StatusCode};

/// What the console was built to, from `web/console`.
const BUILT: [(&str, &[u8]); 2] = [
    ("console.css", include_bytes!("../../../../web/dist/console.css")),
    ("console.js", include_bytes!("../../../../web/dist/console.js")),
];

/// The console's page and files.
pub(super) struct Console {
    page: Bytes,
    assets: Assets,
}

impl Console {
    pub(super) fn new() -> Console {
        let mut assets = Assets::new("/console/");
        BUILT.iter().for_each(|(name, content)| assets.add(name, content));
        let at = assets.addresses();
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Onrush console</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <link rel=\"stylesheet\" href=\"{css}\">\n\
             <script type=\"module\" src=\"{js}\"></script>\n</head>\n\
             <body><div id=\"console\"></div>\n\
             <noscript>The console needs JavaScript. Everything it does is in the admin API, \
             /openapi.json.</noscript></body>\n</html>\n",
            css = at["console.css"],
            js = at["console.js"],
        );
        Console { page: page.into(), assets }
    }
}

impl Gateway {
    /// `GET /console`.
    pub(crate) fn console(&self) -> Answer {
        let page = self.pages.look.console.page.clone();
        let answer = Answer::of(StatusCode::OK, Route::Console, Content::Page, page);
        answer.with(CACHE_CONTROL, HeaderValue::from_static("no-cache"))
    }

    /// `GET /console/{name}`.
    pub(crate) fn console_file(&self, name: &str, ask: &Ask<'_>) -> Result<Answer, Problem> {
        self.pages.look.console.assets.answer(name, ask, Route::ConsoleFile)
    }
}

/// Match an address of the console; `None`: it is none.
pub(crate) fn matched<'a>(method: &Method, path: &'a str) -> Option<Matched<'a>> {
    let rest = path.strip_prefix("/console")?;
    match rest.strip_prefix('/') {
        Some(name) => Some(one(name, is_get(method), Route::ConsoleFile, GET)),
        None if rest.is_empty() && is_get(method) => Some(Matched::Route(Route::Console, "")),
        None if rest.is_empty() => Some(Matched::Methods(GET)),
        None => None,
    }
}
