//! A copy of a configuration that can reach nobody: loopback addresses, secrets where they are, hooks turned
//! to a double, reminders left out, one campaign that is open.

use onrush_gateway::config::{CampaignBody, Config};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What is changed besides hooks, so that a rehearsal ends in minutes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changes<'a> {
    /// Where the double of the hooks listens.
    pub(super) double: SocketAddr,
    /// How long a hold lives, in milliseconds.
    pub(super) hold_ms: u64,
    /// Units of each SKU that has none of its own.
    pub(super) units: u32,
    /// Buyers to have memory ready for.
    pub(super) expected: u32,
    /// Where the secrets lie that doubles sign with.
    pub(super) keys: &'a Keys,
}

/// Files of secrets that are made for one rehearsal.
#[derive(Debug)]
pub(super) struct Keys {
    /// Signs buyers' tokens.
    pub(super) tokens: PathBuf,
    /// Signs notices of payments.
    pub(super) notices: PathBuf,
}

/// A copy, and what is different in it.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) text: String,
    /// In words.
    pub(super) notes: Vec<String>,
    /// Whether the campaign asks a hook who may join.
    pub(super) asks: bool,
    /// Who signs in it.
    pub(super) signed: Signed,
}

/// What doubles sign in a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Signed {
    /// Buyers show tokens of this `iss`, and this `aud` where there is one.
    pub(super) tokens: Option<(String, Option<String>)>,
    /// This provider tells of payments.
    pub(super) provider: Option<String>,
}

/// Copy the configuration of `text`, which lies in `base`, for `campaign`.
///
/// # Errors
/// When it is no TOML or has no such campaign; it was read before, so this says that it changed.
pub(super) fn copy(
    text: &str,
    base: &Path,
    campaign: &str,
    changes: &Changes<'_>,
) -> Result<Copy, String> {
    let mut file: Table = text.parse().map_err(|e| format!("the configuration changed: {e}"))?;
    let mut notes = Vec::new();
    if file.remove("notify").is_some() {
        notes.push("reminders are left out: nobody is written to".to_owned());
    }
    // Pages lead a browser there; the crowd opens none.
    for table in ["listen", "pages"] {
        if let Some(Value::Table(table)) = file.get_mut(table) {
            for field in ["public", "admin", "login_url", "payment_url"] {
                table.remove(field);
            }
        }
    }
    make_absolute(&mut file, base)?;
    let signed = sign_by_doubles(&mut file, changes.keys, &mut notes);
    let Some(Value::Array(mut campaigns)) = file.remove("campaigns") else {
        return Err("the configuration has no [[campaigns]]".to_owned());
    };
    campaigns.retain(|entry| entry.get("campaign").and_then(Value::as_str) == Some(campaign));
    let Some(Value::Table(only)) = campaigns.first_mut() else {
        return Err(format!("the configuration has no campaign {campaign:?}"));
    };
    let asks = open_now(only, changes, &mut notes);
    campaigns.truncate(1);
    file.insert("campaigns".to_owned(), Value::Array(campaigns));
    let text = toml::to_string(&file).map_err(|e| e.to_string())?;
    Ok(Copy { text, notes, asks, signed })
}

/// Find the campaign that is meant: the one that is named, or the only one, or the next to open.
pub(super) fn choose<'a>(
    config: &'a Config,
    named: Option<&str>,
) -> Result<&'a CampaignBody, String> {
    let name = |body: &CampaignBody| body.campaign.as_ref().map(|name| name.as_str().to_owned());
    if let Some(named) = named {
        let found = config.campaigns.iter().find(|body| name(body).as_deref() == Some(named));
        return found.ok_or_else(|| format!("the configuration has no campaign {named:?}"));
    }
    let next =
        config.campaigns.iter().min_by_key(|body| body.opens_at.map_or(u64::MAX, |at| at.0.0));
    next.ok_or_else(|| {
        "the configuration has no [[campaigns]]: write the sale there to rehearse it".to_owned()
    })
}

/// Turn every path into one that is good from everywhere.
fn make_absolute(file: &mut Table, base: &Path) -> Result<(), String> {
    // A file named without a folder lies in the one that the command runs in.
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let base = base.canonicalize().map_err(|e| format!("{}: {e}", base.display()))?;
    let absolute = |value: &mut Value| match value {
        Value::String(path) => *path = base.join(&*path).to_string_lossy().into_owned(),
        Value::Array(paths) => {
            for path in paths.iter_mut() {
                if let Value::String(path) = path {
                    *path = base.join(&*path).to_string_lossy().into_owned();
                }
            }
        }
        _ => {}
    };
    let fields: [(&str, &[&str]); 5] = [
        ("identity", &["jwks_file", "secret_file"]),
        ("risk", &["policy_file", "model_file", "shadow_files"]),
        ("pages", &["brand"]),
        ("api_keys", &["secret_file"]),
        ("payments", &["secret_files"]),
    ];
    let more: [(&str, &[&str]); 1] = [("invite_lists", &["file"])];
    for (section, names) in fields.iter().chain(&more) {
        let tables: Vec<&mut Table> = match file.get_mut(*section) {
            Some(Value::Table(table)) => vec![table],
            Some(Value::Array(list)) => list.iter_mut().filter_map(Value::as_table_mut).collect(),
            _ => continue,
        };
        for table in tables {
            names.iter().for_each(|name| {
                if let Some(value) = table.get_mut(*name) {
                    absolute(value);
                }
            });
        }
    }
    let keys = file.get_mut("sessions").and_then(|sessions| sessions.get_mut("keys"));
    for key in keys.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(value) = key.get_mut("secret_file") {
            absolute(value);
        }
    }
    Ok(())
}

/// Put the doubles' secrets in place of those of the issuer and the providers; everything else about them
/// stays, so that tokens and notices are checked as on the day.
fn sign_by_doubles(file: &mut Table, keys: &Keys, notes: &mut Vec<String>) -> Signed {
    let path = |path: &Path| Value::String(path.to_string_lossy().into_owned());
    let mut signed = Signed::default();
    if let Some(Value::Table(identity)) = file.get_mut("identity") {
        let own = ["jwks_file", "secret_file", "jwks_refresh"].map(|name| identity.remove(name));
        if own[0].is_some() || own[1].is_some() {
            identity.insert("secret_file".to_owned(), path(&keys.tokens));
            let text = |name: &str| identity.get(name)?.as_str().map(str::to_owned);
            // Every token has an `iss`; without one in the configuration, any is good.
            let issuer = text("issuer").unwrap_or_else(|| "rehearsal".to_owned());
            notes.push(format!(
                "buyers show tokens of {issuer} that a double signed (HS256), with a key of its own"
            ));
            signed.tokens = Some((issuer, text("audience")));
        }
    }
    let providers = file.get_mut("payments").and_then(Value::as_array_mut);
    for provider in providers.into_iter().flatten().filter_map(Value::as_table_mut) {
        provider.insert("secret_files".to_owned(), Value::Array(vec![path(&keys.notices)]));
        let name = provider.get("provider").and_then(Value::as_str).unwrap_or_default();
        if signed.provider.is_none() {
            notes.push(format!(
                "a double of {name} tells of payments, signed with a key of its own"
            ));
            signed.provider = Some(name.to_owned());
        }
    }
    signed
}

/// Open the campaign at once and for good, with units to sell. Returns whether it asks a hook.
fn open_now(campaign: &mut Table, changes: &Changes<'_>, notes: &mut Vec<String>) -> bool {
    for field in ["preheat_at", "draw_at", "opens_at", "closes_at"] {
        campaign.remove(field);
    }
    campaign.insert("opens_at".to_owned(), Value::String("1970-01-02T00:00:00Z".to_owned()));
    campaign.insert("published".to_owned(), Value::Boolean(true));
    let hold = format!("{}ms", changes.hold_ms);
    notes.push(format!(
        "holds live {hold} here, so that what is unpaid comes back in time to be counted"
    ));
    campaign.insert("hold".to_owned(), Value::String(hold));
    campaign.insert("buyers_expected".to_owned(), Value::Integer(changes.expected.into()));
    if campaign.remove("waves").is_some() {
        notes.push("planned waves are left out: only the first supply is sold".to_owned());
    }
    if campaign.remove("supply").is_some_and(|supply| supply.as_str() == Some("stores")) {
        notes.push("the stores' stock is played by units of the campaign's own".to_owned());
    }
    for sku in campaign.get_mut("skus").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(sku) = sku.as_table_mut() else { continue };
        if sku.get("supply").and_then(Value::as_integer).unwrap_or(0) == 0 {
            sku.insert("supply".to_owned(), Value::Integer(changes.units.into()));
            let name = sku.get("sku").and_then(Value::as_str).unwrap_or_default();
            notes.push(format!("{name} has no supply yet: {} units here", changes.units));
        }
    }
    let Some(line) = campaign.get_mut("line").and_then(Value::as_table_mut) else { return false };
    line.remove("public_value");
    if line.remove("invite_only").is_some_and(|only| only.as_bool() == Some(true)) {
        notes.push("everybody may join here: the crowd has no invitations".to_owned());
    }
    let Some(hook) = line.get_mut("eligibility").and_then(Value::as_table_mut) else {
        return false;
    };
    let url = format!("http://{}/eligible", changes.double);
    hook.insert("url".to_owned(), Value::String(url));
    notes.push("who may join is asked of a double that says yes".to_owned());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = r#"
[listen]
public = "0.0.0.0:443"
admin = "unix:/run/onrush/admin.sock"
tls_proxy = true
[identity]
issuer = "https://login.shop.example"
jwks_file = "jwks.json"
[notify]
page = "https://shop.example/{campaign}"
[notify.webhook]
url = "https://shop.example/hooks"
secret_files = ["whsec"]
[pages]
payment_url = "https://shop.example/pay"
[[api_keys]]
name = "shop"
scope = ["reserve"]
secret_file = "shop-key"
[[payments]]
provider = "acme"
secret_files = ["a", "b"]
[[sessions.keys]]
id = 1
secret_file = "session"
[[campaigns]]
campaign = "other"
[[campaigns.skus]]
sku = "x"
price = 1
[[campaigns]]
campaign = "drop"
opens_at = 2030-01-01T20:00:00+08:00
closes_at = 2030-01-01T22:00:00+08:00
hold = "5m"
[[campaigns.skus]]
sku = "jacket"
price = 129900
supply = 500
[[campaigns.skus]]
sku = "cap"
price = 100
[[campaigns.waves]]
at = 2030-01-01T20:30:00+08:00
sku = "cap"
quantity = 200
[campaigns.line]
pass = "2m"
invite_only = true
[campaigns.line.eligibility]
url = "http://127.0.0.1:9000/may-join"
on_failure = "refuse"
"#;

    fn keys() -> Keys {
        Keys { tokens: "/scratch/tokens".into(), notices: "/scratch/notices".into() }
    }

    fn changed() -> Copy {
        let changes = Changes {
            keys: &keys(),
            double: ([127, 0, 0, 1], 4_000).into(),
            hold_ms: 5_000,
            units: 77,
            expected: 1_000,
        };
        copy(REAL, Path::new("."), "drop", &changes).expect("a copy")
    }

    #[test]
    fn nothing_of_the_outside_is_left() {
        let copy = changed();
        for gone in ["shop.example/", "unix:", "0.0.0.0", "9000", "whsec", "2030"] {
            assert!(!copy.text.contains(gone), "{gone} in\n{}", copy.text);
        }
        assert!(copy.text.contains("http://127.0.0.1:4000/eligible") && copy.asks);
        assert!(!copy.text.contains("invite_only"), "nobody of the crowd could join");
    }

    #[test]
    fn the_copy_is_a_configuration_with_one_open_campaign() {
        let copy = changed();
        let file: Table = copy.text.parse().expect("TOML");
        let campaigns = file["campaigns"].as_array().expect("a list");
        assert_eq!(campaigns.len(), 1);
        let campaign = campaigns[0].as_table().expect("a table");
        assert_eq!(campaign["campaign"].as_str(), Some("drop"));
        assert_eq!(campaign["hold"].as_str(), Some("5000ms"));
        assert!(!campaign.contains_key("closes_at") && !campaign.contains_key("waves"));
        let supplies: Vec<_> = campaign["skus"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|sku| sku["supply"].as_integer())
            .collect();
        assert_eq!(supplies, [Some(500), Some(77)]);
        for path in ["shop-key", "session"] {
            assert!(!copy.text.contains(&format!("= \"{path}\"")), "{path} is relative");
        }
        assert!(
            copy.notes.iter().any(|note| note.contains("cap has no supply")),
            "{:?}",
            copy.notes
        );
    }

    #[test]
    fn tokens_and_notices_are_checked_with_the_doubles_secrets_alone() {
        let copy = changed();
        let file: Table = copy.text.parse().expect("TOML");
        let identity = file["identity"].as_table().expect("a table");
        assert_eq!(identity["issuer"].as_str(), Some("https://login.shop.example"));
        assert_eq!(identity["secret_file"].as_str(), Some("/scratch/tokens"));
        assert!(!identity.contains_key("jwks_file"), "one key, so that a token names none");
        let acme = &file["payments"][0];
        assert_eq!(acme["provider"].as_str(), Some("acme"));
        assert_eq!(acme["secret_files"], Value::Array(vec!["/scratch/notices".into()]));
        let issuer = ("https://login.shop.example".to_owned(), None);
        let signed = Signed { tokens: Some(issuer), provider: Some("acme".to_owned()) };
        assert_eq!(copy.signed, signed);
    }

    #[test]
    fn without_identity_and_providers_nobody_signs() {
        let bare = "[identity]\ngroups = [\"gold\"]\n[[campaigns]]\ncampaign = \"drop\"\n";
        let (keys, double) = (keys(), ([127, 0, 0, 1], 1).into());
        let changes = Changes { keys: &keys, double, hold_ms: 1, units: 1, expected: 1 };
        let copy = copy(bare, Path::new("."), "drop", &changes).expect("a copy");
        assert_eq!(copy.signed, Signed::default());
        assert!(!copy.text.contains("scratch"), "{}", copy.text);
    }

    #[test]
    fn a_campaign_that_is_not_there_is_named() {
        let changes = Changes {
            keys: &keys(),
            double: ([127, 0, 0, 1], 1).into(),
            hold_ms: 1,
            units: 1,
            expected: 1,
        };
        let missing = copy(REAL, Path::new("."), "nothing", &changes);
        assert!(missing.is_err_and(|e| e.contains("nothing")));
    }
}
