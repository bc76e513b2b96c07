//! Addresses of hosts, as the system's own files have it: a static binary has no libc to ask.
//!
//! Nobody but the name servers in `resolv.conf` is ever asked, and they only for what `hosts` does not know: whoever
//! answers decides where a query and its token go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::{NetError, runtime::TokioRuntimeProvider};
use hickory_resolver::system_conf::parse_resolv_conf;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

/// What libc gives a name server by default.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads the files anew for every connection: there are few of those, and files change.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    /// Where name servers listen.
    port: u16,
    /// For all questions about one host together.
    patience: Duration,
}

/// Why a host has no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// There is nobody to ask.
    #[error(
        "cannot resolve `{host}` by DNS, as {} names no name server ({cause}); mount one, add the host to {}, or use its IP address",
        resolv_conf.display(),
        hosts.display()
    )]
    NoServer {
        host: String,
        resolv_conf: PathBuf,
        hosts: PathBuf,
        cause: String,
    },
    /// The name servers did not answer in time.
    #[error(
        "cannot resolve `{host}` by DNS: no answer from name server {servers} within {patience:?}; check that it is up and that {} is right",
        resolv_conf.display()
    )]
    Silent {
        host: String,
        servers: String,
        patience: Duration,
        resolv_conf: PathBuf,
    },
    /// The name servers did not answer with an address.
    #[error(
        "cannot resolve `{host}` by DNS: name server {servers}: {cause}; check the name, a service of another namespace is `service.namespace`"
    )]
    Refused {
        host: String,
        servers: String,
        cause: String,
    },
}

impl Resolver {
    /// By the files of this system, for calls with some deadline: no more than half of it passes with names, so that a
    /// name server that is down is told from a server that is.
    pub(crate) fn system(deadline: Duration) -> Self {
        Self::of(Path::new("/etc"), 53, PATIENCE.min(deadline / 2))
    }

    pub(crate) fn of(files: &Path, port: u16, patience: Duration) -> Self {
        Self {
            hosts: files.join("hosts"),
            resolv_conf: files.join("resolv.conf"),
            port,
            patience,
        }
    }

    /// All addresses of a host; never none.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        let known = known(&self.hosts, host);
        if !known.is_empty() {
            return Ok(known);
        }
        if is_same(host, "localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        self.ask(host).await
    }

    async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
        let (config, options) = self.configuration().map_err(|cause| NameError::NoServer {
            host: host.to_owned(),
            resolv_conf: self.resolv_conf.clone(),
            hosts: self.hosts.clone(),
            cause,
        })?;
        let servers = shown(&config);
        let refused = |error: NetError| NameError::Refused {
            host: host.to_owned(),
            servers: servers.clone(),
            cause: cause(&error, &config),
        };
        let builder =
            TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default());
        let resolver = builder.with_options(options).build().map_err(refused)?;
        match timeout(self.patience, resolver.lookup_ip(host)).await {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) if !matches!(error, NetError::Timeout) => Err(refused(error)),
            Ok(Err(_)) | Err(_) => Err(NameError::Silent {
                host: host.to_owned(),
                servers: servers.clone(),
                patience: self.patience,
                resolv_conf: self.resolv_conf.clone(),
            }),
        }
    }

    /// What `resolv.conf` says, or in words why it says nothing.
    fn configuration(&self) -> Result<(ResolverConfig, ResolverOpts), String> {
        let text = std::fs::read(&self.resolv_conf).map_err(|e| e.to_string())?;
        let (mut config, mut options) = parse_resolv_conf(text).map_err(|e| e.to_string())?;
        // The library's guess from the machine's name; a `domain` of the file is among the search domains.
        config.domain = None;
        let servers = config.name_servers.iter_mut();
        for connection in servers.flat_map(|server| &mut server.connections) {
            connection.port = self.port;
        }
        // All at once, as one that is down would use up the time of the others.
        options.num_concurrent_reqs = config.name_servers.len();
        options.use_hosts_file = ResolveHosts::Never;
        Ok((config, options))
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.addresses(name.as_str()).await?;
            // The port comes from the URL.
            let found: Addrs = Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(found)
        })
    }
}

/// What a hosts file knows of a host: lines of an address and its names. One that cannot be read knows nothing.
fn known(hosts: &Path, host: &str) -> Vec<IpAddr> {
    let text = std::fs::read(hosts).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| address(line, host))
        .collect()
}

fn address(line: &str, host: &str) -> Option<IpAddr> {
    let entry = line.split('#').next()?;
    let mut words = entry.split_whitespace();
    let address = words.next()?.parse().ok()?;
    words.any(|name| is_same(name, host)).then_some(address)
}

/// Names differ neither by case nor by the dot that ends a full one.
fn is_same(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    bare(one) == bare(other)
}

fn shown(config: &ResolverConfig) -> String {
    let servers: Vec<_> = config
        .name_servers
        .iter()
        .map(|server| server.ip.to_string())
        .collect();
    servers.join(", ")
}

fn cause(error: &NetError, config: &ResolverConfig) -> String {
    if !error.is_no_records_found() {
        return error.to_string();
    }
    let domains: Vec<_> = config.search.iter().map(ToString::to_string).collect();
    format!(
        "it has no address of that name, alone or in the search domains [{}]",
        domains.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use tokio::net::UdpSocket;

    /// A resolver with files of its own.
    struct System {
        resolver: Resolver,
        dir: tempfile::TempDir,
    }

    impl System {
        /// Without any file.
        fn bare(port: u16) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let resolver = Resolver::of(dir.path(), port, Duration::from_secs(10));
            Self { resolver, dir }
        }

        fn with(self, file: &str, text: &str) -> Self {
            std::fs::write(self.dir.path().join(file), text).unwrap();
            self
        }

        async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameError> {
            self.resolver.addresses(host).await
        }
    }

    const RESOLV_CONF: &str =
        "search ns.svc.cluster.local svc.cluster.local\nnameserver 127.0.0.1\noptions ndots:5\n";

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    async fn socket() -> (UdpSocket, u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    }

    /// Answers 10.0.0.7 for one name, that there are no others, and notes what it was asked for.
    async fn serve(socket: UdpSocket, name: &str, asked: &mut Vec<String>) {
        let mut packet = [0; 4096];
        loop {
            let (length, client) = socket.recv_from(&mut packet).await.unwrap();
            let query = Message::from_vec(&packet[..length]).unwrap();
            let question = query.queries[0].clone();
            asked.push(question.name().to_string());
            let mut answer = query.into_response();
            if question.name().to_string() != name {
                answer.metadata.response_code = ResponseCode::NXDomain;
            } else if question.query_type() == RecordType::A {
                let address = RData::A("10.0.0.7".parse().unwrap());
                answer.add_answer(Record::from_rdata(question.name().clone(), 5, address));
            }
            socket
                .send_to(&answer.to_vec().unwrap(), client)
                .await
                .unwrap();
        }
    }

    /// What a host resolves to and what the name server was asked for meanwhile.
    async fn asked(host: &str, known: &str) -> (Result<Vec<IpAddr>, NameError>, Vec<String>) {
        let (socket, port) = socket().await;
        let system = System::bare(port).with("resolv.conf", RESOLV_CONF);
        let mut asked = Vec::new();
        let found = tokio::select! {
            found = system.addresses(host) => found,
            () = serve(socket, known, &mut asked) => unreachable!("it serves for ever"),
        };
        asked.dedup();
        (found, asked)
    }

    #[tokio::test]
    async fn short_names_are_looked_for_in_the_search_domains_first() {
        let service = "prometheus.monitoring.svc.cluster.local.";
        let (found, asked) = asked("prometheus.monitoring", service).await;
        assert_eq!(found.unwrap(), ips(&["10.0.0.7"]));
        assert_eq!(
            asked,
            ["prometheus.monitoring.ns.svc.cluster.local.", service]
        );
    }

    #[tokio::test]
    async fn a_name_that_ends_in_a_dot_is_asked_for_as_it_is() {
        let (found, asked) = asked("prometheus.example.", "prometheus.example.").await;
        assert_eq!(found.unwrap(), ips(&["10.0.0.7"]));
        assert_eq!(asked, ["prometheus.example."]);
    }

    #[tokio::test]
    async fn an_unknown_name_is_refused_with_what_was_tried() {
        let (found, _) = asked("prometeus", "prometheus.").await;
        let error = found.unwrap_err().to_string();
        for said in ["`prometeus`", "DNS", "127.0.0.1", "svc.cluster.local"] {
            assert!(error.contains(said), "{error}");
        }
    }

    #[tokio::test]
    async fn what_the_hosts_file_knows_is_never_asked_for() {
        // Without a resolv.conf, whatever is asked for fails.
        let hosts = "\
            # Kubernetes-managed hosts file.\n\
            127.0.0.1\tlocalhost\n\
            fe80::1%lo0 alias\n\
            10.0.0.8 Prometheus.Example alias # one\n\
            fd00::8 alias\n\
            10.0.0.9 # alias\n";
        let system = System::bare(1).with("hosts", hosts);
        for (host, expected) in [
            ("alias", &["10.0.0.8", "fd00::8"][..]),
            ("prometheus.example.", &["10.0.0.8"]),
            ("localhost", &["127.0.0.1"]),
        ] {
            assert_eq!(system.addresses(host).await.unwrap(), ips(expected));
        }
    }

    #[tokio::test]
    async fn localhost_needs_no_file() {
        let found = System::bare(1).addresses("localhost").await.unwrap();
        assert_eq!(found, ips(&["127.0.0.1", "::1"]));
    }

    #[tokio::test]
    async fn without_a_name_server_it_says_so_and_asks_nobody() {
        let empty = System::bare(1).with("resolv.conf", "search example\n");
        for system in [System::bare(1), empty] {
            let error = system.addresses("prometheus").await.unwrap_err();
            assert!(matches!(error, NameError::NoServer { .. }), "{error}");
            for said in ["`prometheus`", "DNS", "resolv.conf", "mount one"] {
                assert!(error.to_string().contains(said), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_server_that_is_down_is_named() {
        let (_silent, port) = socket().await;
        let mut system = System::bare(port).with("resolv.conf", RESOLV_CONF);
        system.resolver.patience = Duration::from_millis(50);
        let error = system.addresses("prometheus").await.unwrap_err();
        assert!(matches!(error, NameError::Silent { .. }), "{error}");
        for said in ["`prometheus`", "127.0.0.1", "50ms"] {
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
