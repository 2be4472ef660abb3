//! `onrush explain CODE`: the page of an error code, as the server shows it.

use crate::args::ExplainArgs;
use crate::out::{Failure, Out};
use onrush_gateway::errors::{self, ErrorPage};
use serde_json::{Value, json};

pub(crate) fn run(args: &ExplainArgs, out: &Out) -> Result<(), Failure> {
    let Some(code) = &args.code else {
        let all: Vec<Value> = errors::all().iter().map(value).collect();
        return out.result(&all, || {
            let line =
                |page: &ErrorPage| format!("{:<20} {}  {}\n", page.code, page.status, page.title);
            errors::all().iter().map(line).collect()
        });
    };
    let page = errors::explain(code).ok_or_else(|| {
        Failure::Failed(format!("there is no code {code:?}; `onrush explain` lists all"))
    })?;
    out.result(&value(page), || {
        let again = if page.retryable { "yes" } else { "no" };
        format!(
            "{} (HTTP {}): {}\n\n{}\n\nWhat to do: {}\nMay the same request succeed later: {again}\n",
            page.code, page.status, page.title, page.meaning, page.action
        )
    })
}

fn value(page: &ErrorPage) -> Value {
    json!({
        "code": page.code, "status": page.status, "title": page.title,
        "retryable": page.retryable, "meaning": page.meaning, "action": page.action,
    })
}
