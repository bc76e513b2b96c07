//! A plugin with one method, `Plugin.Echo`, which answers with the text that it was sent.

use std::{process::ExitCode, sync::Arc};

use temper_go_plugin::{Cookie, DecodeError, Handshake, Plugin, Reply, Service, hclog};
use temper_gob::{Decoder, Type};

const HANDSHAKE: Handshake = Handshake {
    cookie_key: "ECHO_PLUGIN",
    cookie_value: "echo",
    app_protocol: 1,
};

struct Echo;

impl Service for Echo {
    type Call = String;

    fn decode(&self, method: &str, body: &mut Decoder) -> Result<Option<String>, DecodeError> {
        match method {
            "Plugin.Echo" => Ok(body.next()?),
            _ => Err(DecodeError::UnknownMethod),
        }
    }

    async fn call(self: Arc<Self>, text: String) -> Result<Reply, String> {
        Ok(Reply::new(Type::string(), text))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if HANDSHAKE.cookie() != Cookie::Host {
        hclog::error("this is a plugin: let its host start it", &[]);
        return ExitCode::FAILURE;
    }
    match Plugin::new(HANDSHAKE, "echo", Echo).run().await {
        Ok(ending) => {
            hclog::info("ended", &[("why", &format_args!("{ending:?}"))]);
            ExitCode::SUCCESS
        }
        Err(error) => {
            hclog::error("ended", &[("why", &error)]);
            ExitCode::FAILURE
        }
    }
}
