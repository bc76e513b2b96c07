//! How host and plugin recognise each other.

use std::{ffi::OsStr, fmt};

/// Version of go-plugin's own protocol.
const CORE_PROTOCOL: u32 = 1;

/// What host and plugin agreed on when they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// Name of the environment variable by which a host says that it is one.
    pub cookie_key: &'static str,
    /// The value of that variable.
    pub cookie_value: &'static str,
    /// Version of the protocol between this host and its plugins.
    pub app_protocol: u32,
}

/// Who started the program. The cookie is no secret: it only tells a host from a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cookie {
    /// A host that expects this plugin.
    Host,
    /// No host at all.
    Absent,
    /// A host of another kind of plugin.
    Wrong,
}

impl Handshake {
    /// Tells who started the program, by its environment.
    pub fn cookie(&self) -> Cookie {
        self.judge(std::env::var_os(self.cookie_key).as_deref())
    }

    fn judge(&self, value: Option<&OsStr>) -> Cookie {
        match value {
            None => Cookie::Absent,
            Some(value) if value == self.cookie_value => Cookie::Host,
            Some(_) => Cookie::Wrong,
        }
    }

    /// The line that tells the host where to connect, with its line feed. The last field, a certificate, is empty: a
    /// host that did not ask for TLS crashes on any other.
    pub(crate) fn line(&self, address: &Address) -> String {
        format!("{CORE_PROTOCOL}|{}|{address}|netrpc|\n", self.app_protocol)
    }
}

/// Where the plugin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A path in the file system.
    Unix(String),
    /// A loopback address and port.
    Tcp(std::net::SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix|{path}"),
            Self::Tcp(address) => write!(f, "tcp|{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: Handshake = Handshake {
        cookie_key: "KEY",
        cookie_value: "value",
        app_protocol: 1,
    };

    #[test]
    fn the_line_is_the_one_that_hosts_read() {
        let unix = Address::Unix("/tmp/plugin-1/socket".to_owned());
        assert_eq!(
            HANDSHAKE.line(&unix),
            "1|1|unix|/tmp/plugin-1/socket|netrpc|\n"
        );
        let tcp = Address::Tcp(([127, 0, 0, 1], 10_000).into());
        assert_eq!(HANDSHAKE.line(&tcp), "1|1|tcp|127.0.0.1:10000|netrpc|\n");
    }

    #[test]
    fn a_host_of_other_plugins_is_not_ours() {
        assert_eq!(HANDSHAKE.judge(None), Cookie::Absent);
        assert_eq!(HANDSHAKE.judge(Some(OsStr::new("value"))), Cookie::Host);
        assert_eq!(HANDSHAKE.judge(Some(OsStr::new("Value"))), Cookie::Wrong);
    }
}
