//! `samensom status`: how the running server is.

use super::{Context, unexpected};
use crate::control::{Request, Response, ask};
use crate::error::Error;
use samensom_protocol::admission::words;

/// Asks and prints.
///
/// # Errors
/// When no server runs.
pub fn run(context: &Context) -> Result<(), Error> {
    let Response::Status(status) = ask(&context.folder, &Request::Status)? else { return Err(unexpected()) };
    context.print(&status, || {
        format!(
            "listening  {}\nkey        {}\nroster     {}\nlinked     {} of {} hospitals",
            status.listening,
            words(&status.key.0),
            status.epoch,
            status.linked.len(),
            status.members
        )
    })
}
