//! The plugin side of go-plugin: handshake, yamux session, net/rpc server.
