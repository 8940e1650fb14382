//! One running host: start, addresses, graceful stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt as _;
use serde::{Deserialize, Serialize};
use tidelog_api::{ApiSettings, Meter, ObjectList};
use tidelog_core::{Actors, Address};
use tidelog_log::{Error, Result};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::blobs::Blobs;
use crate::buckets::Buckets;
use crate::carrier::Carrier;
use crate::clock;
use crate::cold::ColdReads;
use crate::folder::{Folder, failed};
use crate::host::Embedded;
use crate::http;
use crate::post::Post;
use crate::pump::Pump;
use crate::readers::Readers;
use crate::registry::Registry;
use crate::s3::{S3Credentials, s3_service};
use crate::settings::Settings;
use crate::shards::{Shards, Shared, tracing_failure};
use crate::sqlite::check_version;
use crate::tables::Tables;
use crate::warm::{Touches, Warm};

/// How long open requests may take to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);
/// Objects looked at in one page when the server starts.
const SWEEP_PAGE: usize = 1_000;

/// A running host. Dropping it without [`Server::stop`] is a crash, and survived like one.
#[derive(Debug)]
pub struct Server {
    host: Arc<Embedded>,
    stop: watch::Sender<bool>,
    address: SocketAddr,
    requests: Runtime,
    lake: Runtime,
}

impl Server {
    /// Opens the data folder and starts to serve.
    ///
    /// # Errors
    /// `data_folder_in_use`, `token_required`, `invalid_settings`, `address_in_use`,
    /// `sqlite_too_old`, `unsupported_format`, `corrupt`, or what the file system says.
    pub fn start(settings: Settings) -> Result<Self> {
        Self::start_with(settings, Actors::new())
    }

    /// Opens the data folder and starts to serve, with actors in the objects of some types.
    ///
    /// # Errors
    /// Those of [`Server::start`]; `invalid_name` or `duplicate_name` of an actor or a message.
    pub fn start_with(settings: Settings, actors: Actors) -> Result<Self> {
        settings.check()?;
        actors.check()?;
        check_version()?;
        let requests = runtime("requests", 2)?;
        let lake = runtime("lake", 2)?;
        let listener = requests.block_on(bind(settings.listen, "listen"))?;
        let s3_listener = requests.block_on(bind(settings.s3_listen, "s3_listen"))?;
        let (address, s3_address) = (local(&listener)?, local(&s3_listener)?);
        let folder = Folder::open(&settings.data)?.remembering(settings.blob_bytes_max);
        let folder = Arc::new(folder);
        let buckets = Buckets::open(&settings, &folder)?;
        let blobs = buckets.warehouse().clone();
        let credentials = credentials(folder.root())?;
        let (stop, stopped) = watch::channel(false);
        let host = assemble(
            (settings, actors),
            folder,
            buckets,
            credentials,
            s3_address,
            stopped,
            &lake,
        )?;
        let server = Self {
            host,
            stop,
            address,
            requests,
            lake,
        };
        server.serve(listener, s3_listener, blobs);
        Ok(server)
    }

    fn serve(&self, listener: TcpListener, s3_listener: TcpListener, blobs: Blobs) {
        let host = &self.host;
        let bucket = host.shared.settings.table().warehouse;
        let s3 = s3_service(blobs, bucket, host.credentials.clone());
        let s3 = Router::new().fallback(move |request| {
            let s3 = s3.clone();
            async move { s3.call(request).await }
        });
        self.requests.spawn(listen(
            listener,
            http::router(Arc::clone(host)),
            host.stop.clone(),
        ));
        if host.shared.settings.lake.s3.is_none() {
            self.requests
                .spawn(listen(s3_listener, s3, host.stop.clone()));
        }
        let pump = Arc::clone(&host.pump);
        self.lake.spawn(async move { pump.run().await });
        let post = Arc::clone(&host.post);
        self.lake.spawn(async move { post.run().await });
        let carrier = Arc::clone(&host.carrier);
        self.lake.spawn(async move { carrier.run().await });
        self.lake.spawn(sweep(Arc::clone(host)));
    }

    /// Where the HTTP API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the read-only S3 endpoint is.
    pub fn s3_url(&self) -> String {
        format!("http://{}", self.host.s3_address)
    }

    /// What all objects and tables have done since this process started.
    pub fn meter(&self) -> Meter {
        self.host.shared.meters.total()
    }

    #[cfg(test)]
    pub(crate) fn host(&self) -> &Arc<Embedded> {
        &self.host
    }

    #[cfg(test)]
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.requests.block_on(work)
    }

    #[cfg(test)]
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.requests.spawn(work)
    }

    /// Stops gracefully: open requests end, turns that wait are taken, files are closed.
    ///
    /// # Errors
    /// None today; the signature leaves room to report what could not be closed.
    pub fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.requests.shutdown_timeout(GRACE);
        self.lake.block_on(async {
            drop(tokio::time::timeout(GRACE, self.host.tables.stop()).await);
        });
        self.host.shards.stop();
        self.host.readers.close_idle();
        self.lake.shutdown_timeout(GRACE);
        Ok(())
    }

    /// Serves until SIGINT or SIGTERM, then stops gracefully.
    pub fn run_until_signal(self) -> Result<()> {
        self.requests.block_on(signalled())?;
        self.stop()
    }
}

async fn signalled() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |e: std::io::Error| Error::internal(format!("cannot wait for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn runtime(name: &str, threads: usize) -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|e| Error::internal(format!("cannot start the {name} runtime: {e}")))
}

async fn bind(address: SocketAddr, name: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| {
        let message = format!("cannot listen on {address}: {e}");
        Error::unavailable("address_in_use", message).at(name)
    })
}

fn local(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|e| Error::internal(e.to_string()))
}

async fn listen(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        drop(stop.wait_for(|stop| *stop).await);
    };
    // An event of a live stream is a small write while the one before may not be acknowledged yet:
    // with Nagle's algorithm it would wait for the reader's delayed acknowledgement, 40 ms.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await;
    if let Err(e) = served {
        tracing_failure("a listener failed", &Error::internal(e.to_string()));
    }
}

fn assemble(
    (settings, actors): (Settings, Actors),
    folder: Arc<Folder>,
    buckets: Buckets,
    credentials: S3Credentials,
    s3_address: SocketAddr,
    stop: watch::Receiver<bool>,
    lake: &Runtime,
) -> Result<Arc<Embedded>> {
    let api = ApiSettings {
        token: settings.token.clone(),
        admin_token: settings.admin_token.clone(),
        ..ApiSettings::default()
    };
    let shared = Arc::new(Shared {
        registry: Arc::new(Registry::open(&folder)?),
        folder: Arc::clone(&folder),
        signals: Arc::default(),
        dirty: Arc::default(),
        posted: Arc::default(),
        transfers: Arc::default(),
        actors,
        metrics: Arc::default(),
        meters: Arc::default(),
        touches: Touches::default(),
        settings,
    });
    let shards = Arc::new(Shards::start(&shared)?);
    let readers = Arc::new(Readers::new(folder, Arc::clone(&shared.meters)));
    let carrier = Arc::new(Carrier {
        shared: Arc::clone(&shared),
        shards: Arc::clone(&shards),
        readers: Arc::clone(&readers),
        blobs: buckets.snapshots().clone(),
        prefix: shared.settings.lake.prefix.clone(),
    });
    let tables = Arc::new(Tables::new(
        &shared,
        &shards,
        buckets,
        lake.handle().clone(),
    ));
    let warm = Arc::new(Warm::new(&shared, &readers));
    let pump = Arc::new(Pump {
        warm: Arc::clone(&warm),
        shared: Arc::clone(&shared),
        shards: Arc::clone(&shards),
        readers: Arc::clone(&readers),
        tables: Arc::clone(&tables),
        errors: std::sync::Mutex::default(),
    });
    let post = Arc::new(Post {
        shared: Arc::clone(&shared),
        shards: Arc::clone(&shards),
        readers: Arc::clone(&readers),
    });
    tables.resume()?;
    let host = Embedded {
        shared,
        shards,
        readers,
        tables,
        cold: Arc::new(ColdReads::new()),
        pump,
        warm,
        post,
        carrier,
        api,
        credentials,
        s3_address,
        stop,
    };
    Ok(Arc::new(host))
}

/// Looks at every object once after a start: timers and unpushed events of the last run go on.
async fn sweep(host: Arc<Embedded>) {
    let mut after = None;
    loop {
        let list = ObjectList {
            type_name: None,
            prefix: String::new(),
            after: after.take(),
            limit: SWEEP_PAGE,
        };
        let page = match host.shared.registry.objects(&list) {
            Ok(page) => page,
            Err(error) => return tracing_failure("objects cannot be listed", &error),
        };
        for entry in &page.objects {
            let Ok(object) = Address::object(&entry.type_name, &entry.id) else {
                continue;
            };
            host.shared.dirty.mark(&object, clock::now());
            let left = host.readers.read_own(&object, |view, sql| {
                let posted = !view.letters_due(sql, clock::now(), 1)?.is_empty();
                let transfers = view.transfer_at(sql)?.is_some();
                Ok((view.wake_at(sql)?, posted, transfers))
            });
            let Ok((wake, posted, transfers)) = left.await else {
                continue;
            };
            if let Some(at) = wake {
                drop(host.shards.wake_at(&object, at));
            }
            if posted {
                host.shared.posted.mark(&object);
            }
            if transfers {
                host.shared.transfers.mark(&object);
            }
        }
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    access_key_id: String,
    secret_access_key: String,
}

/// The S3 endpoint's key, made at the first start and kept in the data folder.
fn credentials(root: &Path) -> Result<S3Credentials> {
    let path = root.join("credentials.json");
    let stored = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Error::corrupt(format!("{}: {e}", path.display())))?,
        Err(_) => make_key(&path)?,
    };
    let StoredKey {
        access_key_id,
        secret_access_key,
    } = stored;
    Ok(S3Credentials {
        access_key_id,
        secret_access_key,
    })
}

fn make_key(path: &Path) -> Result<StoredKey> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let hex = |bytes: [u8; 16]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let secret = format!("{}{}", hex(clock::entropy()), hex(clock::entropy()));
    let key = StoredKey {
        access_key_id: format!("TIDELOG{}", &hex(clock::entropy())[..13]),
        secret_access_key: secret,
    };
    let text = serde_json::to_vec(&key).map_err(|e| Error::internal(e.to_string()))?;
    let mut options = std::fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .map_err(|e| failed(path, &e))?;
    Ok(key)
}
