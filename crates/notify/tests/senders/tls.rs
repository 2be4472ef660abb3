//! TLS: a certificate that the operator's authority signed is believed, any other is not.

use crate::doubles::{Secure, Stream, http, smtp};
use crate::parts::send;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use onrush_notify::send::{
    Http, MailSender, MailServer, MailTls, Reach, Senders, Target, WebhookSender,
};
use onrush_notify::{Address, Outcome};
use std::net::TcpStream;
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Make a certificate for `localhost`; return it in PEM, and a server that shows it.
fn certified() -> (Vec<u8>, Secure) {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let secure = move |socket: TcpStream| -> Box<dyn Stream> {
        let connection = ServerConnection::new(config.clone()).expect("a connection");
        Box::new(StreamOwned::new(connection, socket))
    };
    let text = STANDARD.encode(made.cert.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    (pem.into_bytes(), Arc::new(secure))
}

fn webhook(port: u16, host: &str, roots: Option<&[u8]>) -> Senders {
    let target = Target::parse(&format!("https://{host}:{port}/hooks")).expect("a target");
    let client = Http::new(Reach::Anywhere, roots).expect("a client");
    let webhook = Some(WebhookSender::new(client, target, vec![vec![1; 24]]));
    Senders { webhook, ..Senders::default() }
}

#[test]
fn https_needs_a_certificate_that_is_trusted_and_fits() {
    let (pem, secure) = certified();
    let script: http::Script = Box::new(|_| Some((204, "", String::new())));
    let double = http::Double::secured(script, secure);
    let to = || Address::webhook("customer-7").expect("a reference");
    let later = |outcome: Outcome| matches!(outcome, Outcome::Later { .. });
    assert!(later(send(&webhook(double.port, "localhost", None), to())), "not trusted");
    assert!(later(send(&webhook(double.port, "127.0.0.1", Some(&pem)), to())), "another name");
    assert!(double.rest().is_empty());
    assert_eq!(send(&webhook(double.port, "localhost", Some(&pem)), to()), Outcome::Sent);
    assert_eq!(double.next().path, "/hooks");
    assert!(Http::new(Reach::Public, Some(b"-----BEGIN CERTIFICATE-----\nAAA\n")).is_err());
}

#[test]
fn smtp_over_tls_needs_it_too_and_starttls_is_not_optional() {
    let (pem, secure) = certified();
    let mail = |port: u16, tls, roots: Option<Vec<u8>>| {
        let server = MailServer { host: "localhost".to_owned(), port, tls, login: None, roots };
        let mail = MailSender::new(server, "drops@shop.example").expect("a sender");
        Senders { mail: Some(mail), ..Senders::default() }
    };
    let to = || Address::mail("ann@people.example").expect("a mailbox");
    let later = |outcome: Outcome| matches!(outcome, Outcome::Later { .. });
    let double = smtp::Double::secured(Box::new(|_| None), secure);
    assert!(later(send(&mail(double.port, MailTls::Implicit, None), to())), "not trusted");
    let trusted = mail(double.port, MailTls::Implicit, Some(pem.clone()));
    assert_eq!(send(&trusted, to()), Outcome::Sent);
    assert_eq!(double.next().to, "ann@people.example");
    // A server that does not offer STARTTLS gets no mail in clear instead.
    let plain = smtp::Double::open();
    assert!(later(send(&mail(plain.port, MailTls::Starttls, Some(pem)), to())));
    assert!(double.rest().is_empty() && plain.rest().is_empty());
}
