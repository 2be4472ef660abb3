//! What pages look like: templates, texts, scripts, styles, and the files of a brand that replace them.
//!
//! The look that comes with the product is compiled once and shared by every gateway of the process;
//! a brand's folder is read anew for each gateway, so that a restart shows what was changed.

use super::assets::{Assets, BrandFiles, read_brand};
use super::console::Console;
use super::texts::{self, Lang, Texts};
use crate::config::ConfigErrors;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The templates that come with the product; a brand's folder may replace each.
pub(super) const TEMPLATES: [(&str, &str); 4] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("drop.html", include_str!("templates/drop.html")),
    ("draw.html", include_str!("templates/draw.html")),
    ("pay.html", include_str!("templates/pay.html")),
];

/// What scripts and styles were built to, from `web/drop`.
const BUILT: [(&str, &[u8]); 4] = [
    ("drop.css", include_bytes!("../../../../web/dist/drop.css")),
    ("drop.js", include_bytes!("../../../../web/dist/drop.js")),
    ("check.js", include_bytes!("../../../../web/dist/check.js")),
    ("draw.js", include_bytes!("../../../../web/dist/draw.js")),
];

/// Templates, texts and files, ready to be shown.
pub(super) struct Look {
    pub(super) env: Environment<'static>,
    pub(super) assets: Assets,
    /// Where each of them is, as templates take it.
    pub(super) addresses: Value,
    pub(super) console: Console,
    en: Words,
    zh: Words,
}

/// One language's texts, as templates and as scripts take them.
pub(super) struct Words {
    pub(super) texts: Texts,
    pub(super) value: Value,
    pub(super) for_scripts: String,
}

impl Look {
    /// Return the look that comes with the product, or read a brand's folder.
    ///
    /// # Errors
    /// When a file of the brand cannot be used; the error names it.
    pub(super) fn of(brand: Option<&Path>) -> Result<Arc<Look>, ConfigErrors> {
        static BUILT_IN: OnceLock<Arc<Look>> = OnceLock::new();
        let Some(folder) = brand else {
            let built_in = || Arc::new(Look::read(&Brand::default()).expect("tests compile it"));
            return Ok(Arc::clone(BUILT_IN.get_or_init(built_in)));
        };
        let brand = Brand { folder: folder.display().to_string(), files: read_brand(folder)? };
        Look::read(&brand).map(Arc::new)
    }

    fn read(brand: &Brand) -> Result<Look, ConfigErrors> {
        let mut assets = Assets::new("/assets/");
        BUILT.iter().for_each(|(name, content)| assets.add(name, content));
        brand.files.iter().for_each(|(name, content)| assets.add(name, content));
        Ok(Look {
            env: brand.templates()?,
            addresses: Value::from(Serde(&assets.addresses())),
            assets,
            console: Console::new(),
            en: brand.words(Lang::En)?,
            zh: brand.words(Lang::Zh)?,
        })
    }

    pub(super) fn words(&self, lang: Lang) -> &Words {
        match lang {
            Lang::En => &self.en,
            Lang::Zh => &self.zh,
        }
    }
}

/// A brand's folder; by default there is none.
#[derive(Default)]
struct Brand {
    folder: String,
    files: BrandFiles,
}

impl Brand {
    fn templates(&self) -> Result<Environment<'static>, ConfigErrors> {
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        env.set_syntax(syntax.map_err(|error| self.wrong(error.to_string()))?);
        texts::add_filters(&mut env);
        let own = self.files.keys().filter(|name| name.ends_with(".html")).map(String::as_str);
        let names = TEMPLATES.iter().map(|(name, _)| *name).chain(own);
        for name in names {
            let built_in = TEMPLATES.iter().find(|(known, _)| *known == name);
            let source = self.text(name)?.or_else(|| Some(built_in?.1.to_owned()));
            let added = env.add_template_owned(name.to_owned(), source.unwrap_or_default());
            added.map_err(|error| self.wrong(format!("{error:#}")))?;
        }
        Ok(env)
    }

    fn words(&self, lang: Lang) -> Result<Words, ConfigErrors> {
        let name = format!("texts.{}.toml", lang.as_str());
        let own: Texts = match self.text(&name)? {
            None => Texts::new(),
            Some(text) => {
                toml::from_str(&text).map_err(|error| self.wrong(format!("{name}: {error}")))?
            }
        };
        let mut texts = lang.texts();
        if let Some(unknown) = own.keys().find(|key| !texts.contains_key(*key)) {
            return Err(self.wrong(format!("{name}: `{unknown}` is no text of the pages")));
        }
        texts.extend(own);
        let (value, for_scripts) = (Value::from(Serde(&texts)), texts::for_scripts(&texts));
        Ok(Words { texts, value, for_scripts })
    }

    fn text(&self, name: &str) -> Result<Option<String>, ConfigErrors> {
        let Some(bytes) = self.files.get(name) else { return Ok(None) };
        let text = String::from_utf8(bytes.clone());
        text.map(Some).map_err(|_| self.wrong(format!("{name}: is not UTF-8")))
    }

    fn wrong(&self, what: String) -> ConfigErrors {
        ConfigErrors::one(&self.folder, "pages.brand", what)
    }
}
