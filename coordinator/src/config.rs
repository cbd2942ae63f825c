//! `coordinator.toml`: where to listen, what hospitals dial, how soon a silent link is given up.
//!
//! Owns its keys, their defaults and their limits. It must not act on them.

use crate::clock::span_ms;
use crate::error::Error;
use crate::listener::Options;
use crate::toml_file;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The keys as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address and UDP port to listen on.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// Host and port that hospitals dial; stands in the tokens. Default: where the program listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<String>,
    /// Who runs this coordinator, for people.
    #[serde(default = "default_name")]
    pub name: String,
    /// A link without a sign of life for so long is gone.
    #[serde(default = "default_idle")]
    pub idle: String,
    /// A sign of life is sent so often.
    #[serde(default = "default_keep_alive")]
    pub keep_alive: String,
}

fn default_listen() -> String {
    "127.0.0.1:7443".to_owned()
}
fn default_name() -> String {
    "LCG".to_owned()
}
fn default_idle() -> String {
    "10s".to_owned()
}
fn default_keep_alive() -> String {
    "2s".to_owned()
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: default_listen(),
            public: None,
            name: default_name(),
            idle: default_idle(),
            keep_alive: default_keep_alive(),
        }
    }
}

impl Config {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line or key.
    pub fn read(path: &Path) -> Result<Config, Error> {
        let text = toml_file::text(path)?;
        let config: Config = toml_file::parse(&path.display().to_string(), &text)?;
        config.check().map_err(|why| why.at_file(path))?;
        Ok(config)
    }

    /// Checks that the values can be used together.
    ///
    /// # Errors
    /// The first that cannot, with its key.
    pub fn check(&self) -> Result<(), Error> {
        self.options()?;
        self.check_public()
    }

    /// The file's text, each key explained.
    #[must_use]
    pub fn to_text(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let public = match &self.public {
            Some(public) => format!("public = {}", quoted(public)),
            None => "# public = \"node.lcg.example:443\"".to_owned(),
        };
        format!(
            "# Samensom's coordinator. Unknown keys are refused.\n\n\
             # Address and UDP port to listen on.\nlisten = {}\n\
             # Host and port that hospitals dial; stands in their tokens. Default: where it listens.\n{public}\n\
             # Who runs it, for people.\nname = {}\n\
             # A link without a sign of life for so long is gone; a sign of life is sent so often.\n\
             idle = {}\nkeep_alive = {}\n",
            quoted(&self.listen),
            quoted(&self.name),
            quoted(&self.idle),
            quoted(&self.keep_alive),
        )
    }

    /// What the listener needs of it.
    ///
    /// # Errors
    /// When the address or a span cannot be read, or links would be given up between two signs of life.
    pub fn options(&self) -> Result<Options, Error> {
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            Error::config(format!("`{}` is not an address to listen on", self.listen))
                .place("listen")
                .expected("an IP address and a port, such as 0.0.0.0:443 or [::]:443")
        })?;
        let span = |key: &str, text: &str| {
            let ms = span_ms(text).map_err(|_| {
                Error::config(format!("`{text}` is not a span of time")).place(key).expected("such as 10s")
            })?;
            Ok::<_, Error>(Duration::from_millis(ms))
        };
        let idle = span("idle", &self.idle)?;
        let keep_alive = span("keep_alive", &self.keep_alive)?;
        if keep_alive.saturating_mul(2) > idle || idle > Duration::from_secs(600) {
            return Err(Error::config(format!("idle = {}, keep_alive = {}", self.idle, self.keep_alive))
                .place("idle, keep_alive")
                .expected("idle at least twice keep_alive, and at most 600s"));
        }
        Ok(Options { listen, idle, keep_alive })
    }

    fn check_public(&self) -> Result<(), Error> {
        let Some(public) = &self.public else { return Ok(()) };
        let dialable = public.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains(char::is_whitespace)
                && port.parse::<u16>().is_ok_and(|p| p > 0)
        });
        if dialable && public.len() <= 256 {
            return Ok(());
        }
        Err(Error::config(format!("`{public}` is not what a hospital can dial"))
            .place("public")
            .expected("a host and a port, such as node.lcg.example:443"))
    }
}

impl Error {
    /// Puts the file before the key.
    fn at_file(self, path: &Path) -> Error {
        match self {
            Error::Config(report) => {
                let place = format!("{}, {}", path.display(), report.place);
                Error::Config(report).place(place)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Error> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("coordinator.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn what_init_writes_is_what_is_read() {
        let public = Some("node.lcg.example:443".to_owned());
        for config in [Config::default(), Config { public, name: "a \"b\"".to_owned(), ..Config::default() }]
        {
            assert_eq!(read(&config.to_text()).unwrap(), config);
        }
        assert_eq!(read("").unwrap(), Config::default());
    }

    #[test]
    fn wrong_keys_and_values_are_named() {
        for (text, told) in [
            ("lisen = \"127.0.0.1:1\"", "did you mean `listen`?"),
            ("\nlisten = \"localhost\"", "listen"),
            ("idle = \"3s\"", "idle at least twice keep_alive"),
            ("idle = \"ten\"", "`ten` is not a span of time"),
            ("public = \"no port\"", "public"),
            ("public = \"host:0\"", "public"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.exit_code(), 3, "{error}");
            assert!(
                error.to_string().contains(told) && error.to_string().contains("coordinator.toml"),
                "{error}"
            );
        }
    }
}
