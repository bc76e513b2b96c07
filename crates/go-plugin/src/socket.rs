//! The socket on which the host finds the plugin.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

use crate::{handshake::Address, plugin::Error};

/// A listening socket; its file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: Listener,
    address: Address,
    _folder: Option<Folder>,
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection over either kind of socket.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Socket {
    /// A unix socket that only this user can open, at no moment otherwise: it lies in a folder of its own with mode 0700.
    pub(crate) fn unix(parent: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            at: parent.display().to_string(),
            source,
        };
        let folder = Folder::new(parent).map_err(failed)?;
        let path = folder.0.join("socket");
        let text = path.to_str().ok_or_else(|| {
            failed(io::Error::other(
                "the host can only be told a path that is valid UTF-8",
            ))
        })?;
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let address = Address::Unix(text.to_owned());
        Ok(Self {
            listener: Listener::Unix(listener),
            address,
            _folder: Some(folder),
        })
    }

    /// The first free port of the range on the loopback interface.
    pub(crate) async fn tcp(ports: std::ops::RangeInclusive<u16>) -> Result<Self, Error> {
        let at = format!("127.0.0.1, ports {} to {}", ports.start(), ports.end());
        let mut source = io::Error::other("the range of ports is empty");
        for port in ports {
            match TcpListener::bind(("127.0.0.1", port)).await {
                Ok(listener) => {
                    let address = listener
                        .local_addr()
                        .map_err(|source| Error::Listen { at, source })?;
                    let address = Address::Tcp(address);
                    return Ok(Self {
                        listener: Listener::Tcp(listener),
                        address,
                        _folder: None,
                    });
                }
                Err(error) => source = error,
            }
        }
        Err(Error::Listen { at, source })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match &self.listener {
            Listener::Unix(listener) => Box::new(listener.accept().await?.0),
            Listener::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// A folder of our own, removed with what is in it when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new(parent: &Path) -> io::Result<Self> {
        // The process id tells plugins apart; the count gets around what a killed one with the same id left behind.
        let process = std::process::id();
        for count in 0..1000 {
            let path = parent.join(format!("plugin-{process}-{count}"));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!(
            "a thousand folders plugin-{process}-* are there already"
        )))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about a folder that can't be removed, and it is empty or gone in all likelihood.
        let _left = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[tokio::test]
    async fn only_the_user_can_open_the_socket_and_nothing_is_left_of_it() {
        let parent = tempfile::tempdir().unwrap();
        let socket = Socket::unix(parent.path()).unwrap();
        let Address::Unix(path) = socket.address() else {
            panic!("not a unix socket")
        };
        let path = PathBuf::from(path);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777,
            0o700
        );
        drop(socket);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_killed_plugin_left_behind_is_in_nobodys_way() {
        let parent = tempfile::tempdir().unwrap();
        let first = Socket::unix(parent.path()).unwrap();
        let second = Socket::unix(parent.path()).unwrap();
        assert_ne!(first.address(), second.address());
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named_with_what_to_do() {
        let error = Socket::unix(Path::new("/not/there"))
            .unwrap_err()
            .to_string();
        let beginning = "listening for the host at /not/there; point TMPDIR to";
        assert!(error.starts_with(beginning), "{error}");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_passed_over() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let Ok(socket) = Socket::tcp(port..=port.saturating_add(50)).await else {
            panic!("no port of fifty is free")
        };
        let Address::Tcp(address) = socket.address() else {
            panic!("not tcp")
        };
        assert_ne!(address.port(), port);
        assert!(Socket::tcp(port..=port).await.is_err());
    }
}
