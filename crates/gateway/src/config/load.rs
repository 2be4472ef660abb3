//! Reading the file and the environment.

use super::error::{ConfigError, ConfigErrors, place};
use super::line::{InviteListSection, LineSection, as_written};
use super::risk::RiskSection;
use super::sections::{
    ApiKeySection, CorsSection, EngineSection, IdentitySection, ListenSection, PaymentSection,
    ServerSection, SessionsSection,
};
use super::{CampaignBody, Config, NotifySection, PagesSection};
use onrush_types::Name;
use onrush_types::limits::{HOLD_MS_MAX, HOLD_MS_MIN};
use serde::Deserialize;
use std::collections::HashSet;
use std::path::Path;
use toml::Spanned;

/// The file as it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    listen: ListenSection,
    server: ServerSection,
    identity: IdentitySection,
    sessions: SessionsSection,
    cors: CorsSection,
    line: LineSection,
    invite_lists: Vec<InviteListSection>,
    risk: RiskSection,
    engine: EngineSection,
    api_keys: Vec<Spanned<ApiKeySection>>,
    payments: Vec<Spanned<PaymentSection>>,
    notify: NotifySection,
    pages: PagesSection,
    campaigns: Vec<Spanned<CampaignBody>>,
}

impl Config {
    /// Read a file, then let `ONRUSH_PUBLIC` and `ONRUSH_ADMIN` replace the listen addresses.
    ///
    /// # Errors
    /// Everything that is wrong, with line, column and remedy.
    pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
        let source = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let problem = format!("cannot be read: {error}; give the path with --config");
            ConfigErrors::one(&source, "", problem)
        })?;
        let mut config = Config::parse(&source, &text)?;
        // Secret files are named relative to the file that names them.
        config.resolve_paths(path.parent().unwrap_or(Path::new("")));
        config.apply_env(|name| std::env::var(name).ok())?;
        Ok(config)
    }

    /// Read a configuration from its text; `source` names it in errors.
    ///
    /// # Errors
    /// Everything that is wrong, with line, column and remedy.
    pub fn parse(source: &str, text: &str) -> Result<Config, ConfigErrors> {
        let file: File = toml::from_str(text).map_err(|error| {
            let (line, column) = error.span().map_or((0, 0), |span| place(text, span.start));
            let problem = error.message().to_owned();
            let error = ConfigError { line, column, field: String::new(), problem };
            ConfigErrors { source: source.to_owned(), errors: vec![error] }
        })?;
        let errors = file.check(text);
        if !errors.is_empty() {
            return Err(ConfigErrors { source: source.to_owned(), errors });
        }
        let inner = |list: Vec<Spanned<_>>| list.into_iter().map(Spanned::into_inner).collect();
        Ok(Config {
            listen: file.listen,
            server: file.server,
            identity: file.identity,
            sessions: file.sessions,
            cors: file.cors,
            line: file.line,
            invite_lists: file.invite_lists,
            risk: file.risk,
            engine: file.engine,
            api_keys: file.api_keys.into_iter().map(Spanned::into_inner).collect(),
            payments: file.payments.into_iter().map(Spanned::into_inner).collect(),
            notify: file.notify,
            pages: file.pages,
            campaigns: inner(file.campaigns),
            side: None,
            dev: false,
            only_when_empty: false,
        })
    }

    /// Let the environment replace the listen addresses.
    ///
    /// # Errors
    /// When a variable is not an address.
    pub fn apply_env(&mut self, get: impl Fn(&str) -> Option<String>) -> Result<(), ConfigErrors> {
        for (name, listen) in
            [("ONRUSH_PUBLIC", &mut self.listen.public), ("ONRUSH_ADMIN", &mut self.listen.admin)]
        {
            if let Some(text) = get(name) {
                *listen = text
                    .parse()
                    .map_err(|problem: String| ConfigErrors::one("environment", name, problem))?;
            }
        }
        Ok(())
    }

    fn resolve_paths(&mut self, base: &Path) {
        let identity = &mut self.identity;
        let files = [&mut identity.jwks_file, &mut identity.secret_file].into_iter().flatten();
        let keys = self.sessions.keys.iter_mut().map(|key| &mut key.secret_file);
        let api = self.api_keys.iter_mut().map(|key| &mut key.secret_file);
        let payments = self.payments.iter_mut().flat_map(|p| &mut p.secret_files);
        let invites = self.invite_lists.iter_mut().map(|list| &mut list.file);
        let others = self.notify.files().into_iter().chain(self.risk.files());
        let others = others.chain(self.pages.brand.as_mut());
        for file in files.chain(keys).chain(api).chain(payments).chain(invites).chain(others) {
            *file = base.join(&*file);
        }
    }
}

impl File {
    /// Check what one field alone cannot tell.
    fn check(&self, text: &str) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut say = |at: usize, field: &str, problem: &str| {
            let (line, column) = if at == usize::MAX { (0, 0) } else { place(text, at) };
            let (field, problem) = (field.to_owned(), problem.to_owned());
            errors.push(ConfigError { line, column, field, problem });
        };
        let none = usize::MAX;
        if self.identity.is_configured() && self.identity.issuer.is_none() {
            say(none, "identity.issuer", "name the issuer whose tokens are believed");
        }
        if self.identity.groups.len() > 64 {
            say(none, "identity.groups", "at most 64 groups");
        }
        if self.server.connections_max == 0 || self.server.connections_per_worker_max == 0 {
            say(none, "server.connections_max", "must be 1 or more");
        }
        if self.sessions.keys.iter().any(|key| key.id == 0) {
            say(none, "sessions.keys.id", "is 1 to 255; 0 is the key derived from the data folder");
        }
        let ids: HashSet<u8> = self.sessions.keys.iter().map(|key| key.id).collect();
        if ids.len() < self.sessions.keys.len() {
            say(none, "sessions.keys.id", "appears twice; give each key its own");
        }
        if let Some(bad) = self.cors.origins.iter().find(|origin| !is_origin(origin)) {
            let problem = format!("{bad:?} is not an origin; write https://shop.example, no path");
            say(none, "cors.origins", &problem);
        }
        let (lists, wrong) = self.check_line();
        if let Some((field, problem)) = wrong {
            say(none, field, problem);
        }
        let mut names = HashSet::new();
        for key in &self.api_keys {
            if !names.insert(&key.as_ref().name) {
                say(key.span().start, "api_keys.name", "appears twice; give each key its own");
            }
            if key.as_ref().scope.is_empty() {
                say(key.span().start, "api_keys.scope", "name at least one scope");
            }
        }
        let mut providers = HashSet::new();
        for payment in &self.payments {
            if !providers.insert(&payment.as_ref().provider) {
                say(payment.span().start, "payments.provider", "appears twice");
            }
            if payment.as_ref().secret_files.is_empty() {
                say(payment.span().start, "payments.secret_files", "name at least one file");
            }
        }
        for (field, problem) in self.notify.check() {
            say(none, field, &problem);
        }
        if let Err((field, problem)) = self.risk.check() {
            say(none, field, problem);
        }
        for (field, problem) in self.pages.check() {
            say(none, field, problem);
        }
        let mut campaigns = HashSet::new();
        for campaign in &self.campaigns {
            let (at, body) = (campaign.span().start, campaign.as_ref());
            match &body.campaign {
                None => say(at, "campaigns.campaign", "give the campaign a name"),
                Some(name) if !campaigns.insert(name) => {
                    say(at, "campaigns.campaign", "appears twice; give each campaign its own name");
                }
                Some(name) => {
                    let line = body.line.as_ref();
                    let line = line.map_or(Ok(()), |l| l.check(&self.identity.groups, &lists));
                    if let Err(error) = line.and_then(|()| check_campaign(body, name)) {
                        say(at, &format!("campaigns.{}", error.0), &error.1);
                    }
                }
            }
        }
        errors
    }
}

type Wrong = (&'static str, &'static str);

impl File {
    /// Check what all lines share, and return the names of the invite lists.
    fn check_line(&self) -> (Vec<Name>, Option<Wrong>) {
        let lists: Vec<Name> = self.invite_lists.iter().map(|list| list.name.clone()).collect();
        let twice = lists.iter().collect::<HashSet<_>>().len() < lists.len();
        let twice = twice.then_some(("invite_lists.name", "appears twice; give each its own"));
        let wrong = self.line.check().err().or(twice);
        (lists, wrong)
    }
}

fn check_campaign(body: &CampaignBody, name: &Name) -> Result<(), (String, String)> {
    if !(HOLD_MS_MIN..=HOLD_MS_MAX).contains(&body.hold.0.0) {
        return Err(("hold".to_owned(), "must be between 1s and 7d".to_owned()));
    }
    let checked = body.spec(name.clone()).check();
    checked.map_err(|error| (as_written(&error.field), error.problem))
}

/// Tell whether a text is a scheme, a host and perhaps a port, as browsers send it.
pub(super) fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let allowed =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        !host.is_empty() && host.bytes().all(allowed) && text == text.to_ascii_lowercase()
    })
}
