//! Endpoints that plugins bring to the Admin API and the Status API: their `api.lua` and `status_api.lua`.
//!
//! What a module returns is read by `lua/kong/api/init.lua`, once for each API; here its endpoints are known
//! by a number. A call runs as an exchange of its own in the phase `admin_api`, so that `ngx.*` and
//! `kong.*` work as they do in a request.

use crate::exchange::{Address, Client, Exchange, Phase, Request, RequestBody};
use crate::http::{Fields, Scheme};
use crate::lua::{Context, LuaError, Outcome, Reference, Vm};
use crate::observability::log;
use crate::snapshot::Snapshot;
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

/// The endpoints of plugins in one API.
///
/// Clones are the same endpoints.
#[derive(Clone)]
pub struct PluginApi {
    vm: Vm,
    kind: &'static str,
    serve: Rc<Reference>,
    start: Rc<Reference>,
    routes: Rc<[PluginRoute]>,
}

/// An endpoint of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRoute {
    /// Its path; segments that begin with `:` are parameters.
    pub pattern: String,
    /// The methods that the plugin's code answers.
    pub methods: Vec<String>,
}

/// What a plugin's code answered.
#[derive(Debug, Default)]
pub struct PluginAnswer {
    /// The status code.
    pub status: u16,
    /// The field lines.
    pub fields: Fields,
    /// The body.
    pub body: Vec<u8>,
}

impl PluginApi {
    /// Loads the modules of a kind (`api` or `status_api`) of all plugins that have one.
    ///
    /// # Errors
    /// A module that cannot be loaded, with its traceback.
    pub fn load(vm: &Vm, kind: &'static str, plugins: &[String]) -> Result<PluginApi, LuaError> {
        let module: mlua::Table = vm.lua().load("return require 'kong.api'").eval()?;
        let load: mlua::Function = module.get("load")?;
        let rows: Vec<mlua::Table> = load.call((kind, plugins.to_vec()))?;
        let routes = rows
            .iter()
            .map(|row| Ok(PluginRoute { pattern: row.get("pattern")?, methods: row.get("methods")? }));
        let routes = routes.collect::<Result<Rc<[PluginRoute]>, LuaError>>()?;
        let function = |name: &str| -> Result<Rc<Reference>, LuaError> {
            Ok(Rc::new(vm.reference(module.get::<mlua::Function>(name)?)?))
        };
        let (serve, start) = (function("serve")?, function("start")?);
        Ok(PluginApi { vm: vm.clone(), kind, serve, start, routes })
    }

    /// Runs `init_worker` of the plugins that bring endpoints to any API of this VM, so that their code finds
    /// what it sets up. Once, after all APIs are loaded.
    pub async fn start(&self) {
        let context = Context::bare(Phase::InitWorker);
        if let Err(error) = self.vm.call(&*self.start, context, |_| 0).await {
            log::error!("{}", error.report());
        }
    }

    /// The endpoints, in the order of their numbers.
    pub fn routes(&self) -> &[PluginRoute] {
        &self.routes
    }

    /// Has endpoint `number` answer. `parameters` are the texts of the path in place of its parameters.
    ///
    /// `None` when the code throws, which is logged.
    ///
    /// *Cancel safety*: dropping the future ends the code where it waits.
    pub async fn answer(
        &self,
        number: usize,
        request: Request,
        parameters: &[String],
        snapshot: Arc<Snapshot>,
    ) -> Option<PluginAnswer> {
        let mut exchange = Box::new(Exchange::new(Rc::new(client()), snapshot, request));
        exchange.phase = Phase::AdminApi;
        let push = |frame: &crate::lua::Frame| {
            frame.push_text(self.kind);
            frame.push_integer(i64::try_from(number).unwrap_or(0) + 1);
            frame.push_table(parameters.len(), 0);
            for (at, parameter) in parameters.iter().enumerate() {
                frame.push_text(parameter);
                frame.set_index(-2, at + 1);
            }
            3
        };
        let context = Context::of(&mut exchange);
        match self.vm.call(&*self.serve, context, push).await {
            Ok(Outcome::Done | Outcome::Exit) => Some(take(&mut exchange)),
            Err(error) => {
                log::error!("{}", error.report());
                None
            }
        }
    }
}

fn take(exchange: &mut Exchange) -> PluginAnswer {
    let response = std::mem::take(&mut exchange.response);
    PluginAnswer {
        status: if response.head.status == 0 { 200 } else { response.head.status },
        fields: response.head.fields,
        body: response.body,
    }
}

/// A request of an API as an exchange has it; `target` is path and query as they were sent.
pub fn request(head: crate::http::RequestHead, body: Vec<u8>) -> Request {
    let mut request = Request { path: head.path().to_vec(), ..Request::default() };
    request.host = head.fields.value(b"host").unwrap_or_default().to_ascii_lowercase();
    request.head = head;
    if !body.is_empty() {
        request.body = RequestBody::Memory(body);
    }
    request
}

/// The side of the client; the APIs do not tell plugins who asks.
fn client() -> Client {
    let local = || Address::inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    Client {
        serial: 0,
        peer: local(),
        local: local(),
        public_port: 0,
        scheme: Scheme::Http,
        tls: None,
        proxy_protocol: None,
        raw: Default::default(),
        requests: Cell::new(1),
    }
}
