//! A record in the forms that collectors of logs read: CEF and syslog (RFC 5424).
//!
//! Owns escaping, so that nothing in a record can begin another one. What happened is the record's own JSON.

use super::Record;

/// Who wrote a record, and what it is called.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// `samensom-node` or `samensom`.
    pub program: &'a str,
    /// The hospital, or the coordinator.
    pub host: &'a str,
    /// The program's version.
    pub version: &'a str,
    /// The event.
    pub event: &'a str,
    /// The moment in RFC 3339, UTC.
    pub at: &'a str,
    /// Whether it tells of a refusal or a failure.
    pub is_alarm: bool,
}

/// The record as a line of ArcSight's Common Event Format, version 0.
#[must_use]
pub fn cef(named: &Named<'_>, record: &Record<'_>) -> String {
    let Named { program, host, version, event, .. } = named;
    let severity = if named.is_alarm { 7 } else { 3 };
    format!(
        "CEF:0|Samensom|{}|{}|{}|{}|{severity}|rt={} dvchost={} externalId={} msg={}",
        header(program),
        header(version),
        header(event),
        header(event),
        record.at.0,
        extension(host),
        record.number,
        extension(record.body)
    )
}

/// The record as a syslog message: facility 13 (log audit), severity notice or warning.
#[must_use]
pub fn syslog(named: &Named<'_>, record: &Record<'_>) -> String {
    let Named { program, host, event, at, .. } = named;
    let priority = if named.is_alarm { 13 * 8 + 4 } else { 13 * 8 + 5 };
    // RFC 5424, 7.3.1: a sequence that starts again after its largest number.
    let sequence = record.number.checked_rem(2_147_483_647).unwrap_or(0).max(1);
    format!(
        "<{priority}>1 {at} {} {} - {} [meta sequenceId=\"{sequence}\"] {}",
        word(host),
        word(program),
        word(event),
        record.body
    )
}

fn header(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(char::is_control, " ")
}

fn extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=").replace(char::is_control, " ")
}

/// Printable ASCII without blanks, as the header of a syslog message asks.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    const NAMED: Named<'_> = Named {
        program: "samensom-node",
        host: "erasmus mc",
        version: "0.1|0",
        event: "refused",
        at: "2026-11-22T08:55:45Z",
        is_alarm: true,
    };

    #[test]
    fn nothing_in_a_record_begins_another() {
        let record = Record { number: 7, at: Time(5), body: r#"{"why":"a=b\\|c"}"# };
        assert_eq!(
            cef(&NAMED, &record),
            "CEF:0|Samensom|samensom-node|0.1\\|0|refused|refused|7|rt=5 dvchost=erasmus mc externalId=7 \
             msg={\"why\":\"a\\=b\\\\\\\\|c\"}"
        );
        let lines = |text: String| text.lines().count();
        let torn = Record { body: "{\n}", ..record };
        assert_eq!(lines(cef(&NAMED, &torn)), 1);
        assert_eq!(
            syslog(&NAMED, &record),
            "<108>1 2026-11-22T08:55:45Z erasmus-mc samensom-node - refused [meta sequenceId=\"7\"] \
             {\"why\":\"a=b\\\\|c\"}"
        );
    }
}
