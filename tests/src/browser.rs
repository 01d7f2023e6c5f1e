//! A browser for journeys through the console: Debian's Chromium, without a window.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use url::{ParseError, Url};

use crate::{Weir, eventually};

/// A page of this height is looked at whole.
const MOST_HEIGHT: i64 = 4_000;
/// Of a window, usually.
const HEIGHT: i64 = 900;

/// One window, and the driver behind it, which ends with it.
pub struct Browser {
    client: Client,
    console: String,
    _driver: Child,
}

/// A command of Chromium's own.
#[derive(Debug)]
struct Devtools(&'static str, Value);

impl WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/goog/cdp/execute"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({"cmd": self.0, "params": self.1});
        (Method::POST, Some(body.to_string()))
    }
}

impl Browser {
    /// A new one in front of the console of a running system, with or without scripts. None where
    /// there is no browser on this machine: then it says so.
    ///
    /// # Panics
    /// There is one, and it does not start.
    pub async fn open(weir: &Weir, scripts: bool) -> Option<Self> {
        if !is_there("chromium") || !is_there("chromedriver") {
            eprintln!("LEFT OUT: there is no chromium, or no chromedriver");
            return None;
        }
        let port = weir_servers::free_port().unwrap();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        // 2: they are blocked.
        let blocked = json!({"profile.managed_default_content_settings.javascript": 2});
        let options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=1280,900"],
            "prefs": if scripts { json!({}) } else { blocked },
        });
        let capabilities = serde_json::Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = eventually("the driver answers", async || {
            ClientBuilder::new(HttpConnector::new())
                .capabilities(capabilities.clone())
                .connect(&format!("http://127.0.0.1:{port}"))
                .await
                .ok()
        })
        .await;
        Some(Self {
            client,
            console: weir.stack.console_url(),
            _driver: driver,
        })
    }

    /// As the administrator, by a link.
    ///
    /// # Panics
    /// It does not lead in.
    pub async fn sign_in(&self, weir: &Weir) {
        let said = weir.cli(&["console", "--console", &self.console]).await;
        assert!(said.status.success(), "{said:?}");
        let said = String::from_utf8(said.stdout).unwrap();
        let link = said.lines().last().unwrap().trim();
        self.client.goto(link).await.unwrap();
        self.press("Sign in").await;
        self.sees("Data sources").await;
    }

    /// # Panics
    /// The browser is gone.
    pub async fn go(&self, path: &str) {
        let url = format!("{}{path}", self.console);
        self.client.goto(&url).await.unwrap();
    }

    /// Presses the first button or link that says this, or begins so.
    ///
    /// # Panics
    /// There is none.
    pub async fn press(&self, says: &str) {
        let path = format!(
            "(//main//button|//main//a|//main//summary|//nav//a)[starts-with(normalize-space(.), \
             \"{says}\")]"
        );
        eventually(&format!("{says:?} can be pressed"), async || {
            let found = self.client.find(Locator::XPath(&path)).await.ok()?;
            found.click().await.ok()
        })
        .await;
    }

    /// Writes into the field of this name, in the place of what is there.
    ///
    /// # Panics
    /// There is none.
    pub async fn write(&self, name: &str, text: &str) {
        let css = format!("main [name='{name}']");
        eventually(&format!("{name:?} can be written"), async || {
            let found = self.client.find(Locator::Css(&css)).await.ok()?;
            found.clear().await.ok()?;
            found.send_keys(text).await.ok()
        })
        .await;
    }

    /// Chooses one of a select, by its value.
    ///
    /// # Panics
    /// There is none.
    pub async fn choose(&self, name: &str, value: &str) {
        let css = format!("main select[name='{name}']");
        let found = self.client.find(Locator::Css(&css)).await.unwrap();
        found.select_by_value(value).await.unwrap();
    }

    /// What stands there.
    ///
    /// # Panics
    /// There is nothing.
    pub async fn text(&self, css: &str) -> String {
        let found = self.client.find(Locator::Css(css)).await.unwrap();
        found.text().await.unwrap()
    }

    /// How many of them there are.
    ///
    /// # Panics
    /// The browser is gone.
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }

    /// Waits until the page says so.
    ///
    /// # Panics
    /// It never does.
    pub async fn sees(&self, says: &str) {
        eventually(&format!("the page says {says:?}"), async || {
            let Ok(body) = self.client.find(Locator::Css("body")).await else {
                return false;
            };
            body.text().await.is_ok_and(|text| text.contains(says))
        })
        .await;
    }

    /// The address within the console.
    ///
    /// # Panics
    /// The browser is gone.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.path().to_owned()
    }

    /// What a script answers.
    ///
    /// # Panics
    /// It fails.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// As [`Self::run`], of a script that says when it is done.
    ///
    /// # Panics
    /// It fails.
    pub async fn run_until_done(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    /// The window is so large from now on.
    ///
    /// # Panics
    /// The browser is gone.
    async fn resize(&self, width: i64, height: i64) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        let set = self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        set.await.unwrap();
    }

    /// Pages are light or dark, in a window that is so wide, from the next one on.
    ///
    /// # Panics
    /// The browser is gone.
    pub async fn dress(&self, theme: &str, width: i64) {
        self.resize(width, HEIGHT).await;
        self.run(&format!("document.cookie = 'weir-theme={theme};path=/'"))
            .await;
    }

    /// Keeps a picture of the whole page, and answers whether it is wider than its window.
    ///
    /// # Panics
    /// It can't be taken.
    pub async fn picture(&self, file: &Path, width: i64) -> bool {
        let size =
            "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]";
        let size = self.run(size).await;
        let height = size[1].as_i64().unwrap().clamp(400, MOST_HEIGHT);
        // What sticks to an edge of the window is where it is on the whole page.
        self.resize(width, height).await;
        let taken = self.devtools("Page.captureScreenshot", json!({"format": "png"}));
        let taken = taken.await.unwrap();
        self.resize(width, HEIGHT).await;
        let png = taken["data"].as_str().unwrap().as_bytes();
        let png = BASE64.decode(png).unwrap();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, png).unwrap();
        size[0].as_i64().unwrap() > width
    }

    async fn devtools(&self, command: &'static str, parameters: Value) -> Result<Value, CmdError> {
        self.client.issue_cmd(Devtools(command, parameters)).await
    }

    /// Ends it.
    pub async fn close(self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.client.close()).await;
    }
}

fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
