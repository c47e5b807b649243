//! User agent → device, system, browser, version: the facts `device`, `os`, `browser`, `browser_version`.
//!
//! One pass over the agent's words, without a regex and without allocating. Browsers freeze and fake parts of their user
//! agents, so this tells what an experiment can be targeted by, not what a device is:
//!
//! - **iPads** ask for desktop pages since iPadOS 13 and then send exactly the user agent of Safari on a Mac: they are
//!   `desktop` and `macos` here, and no request header tells otherwise. Only inside apps (`Macintosh` together with
//!   `Mobile/…`, which no Mac sends) and in browsers that ask for mobile pages they are `tablet` and `ios`.
//! - **Chrome** writes `Android 10; K`, `Windows NT 10.0` and `Mac OS X 10_15_7` whatever the version is, so there is no
//!   version of the system here (<https://www.chromium.org/updates/ua-reduction/>).
//! - **Televisions** and boxes under them have no mouse and no touch; they count as `desktop`, for the size of the page.
//! - **Brave** and other Chromium browsers that send Chrome's very agent are `chrome`.

/// How many bytes of a user agent are looked at. In-app browsers append a few hundred, nobody needs more.
const LOOKED_AT_BYTES: usize = 1024;

/// What kind of device asks: the fact `device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// A phone.
    Mobile,
    /// A tablet or an e-reader.
    Tablet,
    /// Everything else, televisions included.
    Desktop,
}

impl Device {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Mobile, Self::Tablet, Self::Desktop];

    /// `mobile`, `tablet` or `desktop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
        }
    }
}

/// The operating system: the fact `os`. Ordered by how far its sign in an agent is to be believed: an iPhone's also says
/// `Mac OS X`, an Android's also `Linux`, a Windows phone's everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Os {
    /// Not told, or none of the others, and not `Linux` either.
    Unknown,
    /// Linux on a desktop, and systems that say no more than `Linux`.
    Linux,
    /// macOS, and iPads that ask for desktop pages.
    Macos,
    /// Windows on computers.
    Windows,
    /// ChromeOS.
    Chromeos,
    /// Android, Fire OS among it.
    Android,
    /// iOS and iPadOS.
    Ios,
    /// A named system that is none of these: Tizen, webOS, KaiOS, HarmonyOS, Windows Phone.
    Other,
}

impl Os {
    /// Every system.
    pub const ALL: [Self; 8] =
        [Self::Unknown, Self::Linux, Self::Macos, Self::Windows, Self::Chromeos, Self::Android, Self::Ios, Self::Other];

    /// `android`, `ios`, `windows`, `macos`, `linux`, `chromeos` or `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Linux => "linux",
            Self::Chromeos => "chromeos",
            Self::Unknown | Self::Other => "other",
        }
    }
}

/// The browser, or the app whose built-in browser it is: the fact `browser`. Ordered by how special its sign is: of all
/// that an agent names, the last in this list is meant (Edge also says `Chrome` and `Safari`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "brands, each written out in `as_str`")]
pub enum Browser {
    Other,
    Safari,
    Firefox,
    Chrome,
    Webview,
    Ie,
    Brave,
    Duckduckgo,
    Edge,
    Huawei,
    Miui,
    Opera,
    Samsung,
    Silk,
    Uc,
    Vivaldi,
    Whale,
    Yandex,
    Facebook,
    Google,
    Instagram,
    Line,
    Linkedin,
    Pinterest,
    Snapchat,
    Tiktok,
    Wechat,
}

impl Browser {
    /// Every browser.
    pub const ALL: [Self; 27] = [
        Self::Other,
        Self::Safari,
        Self::Firefox,
        Self::Chrome,
        Self::Webview,
        Self::Ie,
        Self::Brave,
        Self::Duckduckgo,
        Self::Edge,
        Self::Huawei,
        Self::Miui,
        Self::Opera,
        Self::Samsung,
        Self::Silk,
        Self::Uc,
        Self::Vivaldi,
        Self::Whale,
        Self::Yandex,
        Self::Facebook,
        Self::Google,
        Self::Instagram,
        Self::Line,
        Self::Linkedin,
        Self::Pinterest,
        Self::Snapchat,
        Self::Tiktok,
        Self::Wechat,
    ];

    /// The name in lower case: `chrome`, `safari`, `firefox`, `edge`, `opera`, `samsung`, …, `webview` for an app that does
    /// not say which, `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Safari => "safari",
            Self::Firefox => "firefox",
            Self::Chrome => "chrome",
            Self::Webview => "webview",
            Self::Ie => "ie",
            Self::Brave => "brave",
            Self::Duckduckgo => "duckduckgo",
            Self::Edge => "edge",
            Self::Huawei => "huawei",
            Self::Miui => "miui",
            Self::Opera => "opera",
            Self::Samsung => "samsung",
            Self::Silk => "silk",
            Self::Uc => "uc",
            Self::Vivaldi => "vivaldi",
            Self::Whale => "whale",
            Self::Yandex => "yandex",
            Self::Facebook => "facebook",
            Self::Google => "google",
            Self::Instagram => "instagram",
            Self::Line => "line",
            Self::Linkedin => "linkedin",
            Self::Pinterest => "pinterest",
            Self::Snapchat => "snapchat",
            Self::Tiktok => "tiktok",
            Self::Wechat => "wechat",
        }
    }

    /// The browser that writes this product name.
    fn of_product(name: &str) -> Option<Self> {
        Some(match name {
            "Edg" | "EdgA" | "EdgiOS" | "Edge" | "EdgW" => Self::Edge,
            "OPR" | "OPT" | "OPX" | "OPiOS" | "Opera" => Self::Opera,
            "SamsungBrowser" => Self::Samsung,
            "Firefox" | "FxiOS" | "Focus" | "Klar" => Self::Firefox,
            "Chrome" | "CriOS" | "Chromium" => Self::Chrome,
            "wv" => Self::Webview,
            "MSIE" | "Trident" => Self::Ie,
            "Brave" => Self::Brave,
            "DuckDuckGo" | "Ddg" => Self::Duckduckgo,
            "HuaweiBrowser" => Self::Huawei,
            "MiuiBrowser" | "XiaoMi" => Self::Miui,
            "Silk" => Self::Silk,
            "UCBrowser" => Self::Uc,
            "Vivaldi" => Self::Vivaldi,
            "Whale" => Self::Whale,
            "YaBrowser" => Self::Yandex,
            "FBAN" | "FBAV" | "FB_IAB" => Self::Facebook,
            "GSA" => Self::Google,
            "Instagram" => Self::Instagram,
            "Line" => Self::Line,
            "LinkedInApp" => Self::Linkedin,
            "Pinterest" => Self::Pinterest,
            "Snapchat" => Self::Snapchat,
            "musical_ly" | "trill" | "BytedanceWebview" | "TikTok" => Self::Tiktok,
            "MicroMessenger" => Self::Wechat,
            _ => return None,
        })
    }
}

/// The client hints that a request may carry beside its user agent, as the headers say them
/// (<https://wicg.github.io/ua-client-hints/>). Chromium sends both with every request to an https origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientHints<'a> {
    /// `Sec-CH-UA-Mobile`: `?1` or `?0`.
    pub mobile: Option<&'a str>,
    /// `Sec-CH-UA-Platform`: `"Android"`, with its quotes.
    pub platform: Option<&'a str>,
}

impl ClientHints<'_> {
    fn os(&self) -> Option<Os> {
        Some(match self.platform?.trim().trim_matches('"') {
            "Android" => Os::Android,
            "iOS" => Os::Ios,
            "Windows" => Os::Windows,
            "macOS" => Os::Macos,
            "Linux" => Os::Linux,
            "Chrome OS" | "Chromium OS" => Os::Chromeos,
            _ => return None,
        })
    }
}

/// What a user agent tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent<'a> {
    /// The kind of device.
    pub device: Device,
    /// The operating system.
    pub os: Os,
    /// The browser.
    pub browser: Browser,
    /// The browser's version as the agent says it (`120.0.6099.71`, `17.4`), digits and dots only; empty when it says none.
    pub browser_version: &'a str,
}

impl<'a> Agent<'a> {
    /// Reads a user agent; hints win where they say something. Any text gives an answer, in one pass over at most 1,024
    /// bytes: what is not known is `desktop`, `other`, `other` and the empty version.
    ///
    /// ```
    /// use sortition_engine::visitor::agent::{Agent, Browser, ClientHints, Device, Os};
    ///
    /// let chrome = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36";
    /// let agent = Agent::read(chrome, ClientHints::default());
    /// assert_eq!((agent.device, agent.os, agent.browser), (Device::Mobile, Os::Android, Browser::Chrome));
    /// assert_eq!(agent.browser_version, "124.0.0.0");
    /// ```
    pub fn read(user_agent: &'a str, hints: ClientHints<'_>) -> Self {
        let end = user_agent.floor_char_boundary(LOOKED_AT_BYTES);
        let signs = Signs::gather(user_agent.get(..end).unwrap_or_default());
        let (browser, browser_version) = signs.browser();
        let os = hints.os().unwrap_or_else(|| signs.os());
        Self { device: signs.device(os, hints), os, browser, browser_version }
    }
}

/// What the words of an agent say, before they are weighed against each other.
#[derive(Clone, Copy, Debug)]
struct Signs<'a> {
    os: Os,
    /// The most special product, and the version that stands with it.
    browser: Browser,
    product_version: &'a str,
    /// The version of `Chrome/…`, which an Android app's browser has instead of its own.
    chrome_version: &'a str,
    /// `Version/…`: Safari's, and old Opera's.
    version: &'a str,
    /// `rv:…`: what Internet Explorer 11 has instead of a version.
    revision: &'a str,
    webkit: bool,
    safari: bool,
    mobile: bool,
    tablet: bool,
    ipad: bool,
    television: bool,
}

impl<'a> Signs<'a> {
    fn gather(agent: &'a str) -> Self {
        let mut signs = Self {
            os: Os::Unknown,
            browser: Browser::Other,
            product_version: "",
            chrome_version: "",
            version: "",
            revision: "",
            webkit: false,
            safari: false,
            mobile: false,
            tablet: false,
            ipad: false,
            television: false,
        };
        let mut words = agent.split([' ', ';', '(', ')', '[', ']', ',']).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let (name, version) = word.split_once('/').unwrap_or((word, ""));
            // Some write `MSIE 7.0`, `Instagram 312.0`, `[LinkedInApp]/9.29` or `XiaoMi/MiuiBrowser/14.1`.
            let version = if version.is_empty() { words.peek().copied().unwrap_or_default() } else { version };
            signs.take_system(name);
            signs.take_product(name, digits(version.rsplit('/').next().unwrap_or_default()));
        }
        signs
    }

    fn take_system(&mut self, name: &str) {
        let os = match name {
            "iPhone" | "iPod" | "iOS" => Os::Ios,
            "iPad" => {
                self.ipad = true;
                Os::Ios
            }
            "Android" => Os::Android,
            "CrOS" => Os::Chromeos,
            "Windows" => Os::Windows,
            "Macintosh" => Os::Macos,
            "Linux" | "X11" => Os::Linux,
            "KAIOS" | "BlackBerry" | "BB10" | "Symbian" | "SymbianOS" => {
                self.mobile = true;
                Os::Other
            }
            // `Windows Phone`; in Android's agents the word is part of a model (`RAZER Phone`).
            "Phone" if self.os == Os::Windows => {
                self.mobile = true;
                Os::Other
            }
            "Tizen" | "Web0S" | "OpenHarmony" => Os::Other,
            _ => return self.take_device(name),
        };
        self.os = self.os.max(os);
    }

    fn take_device(&mut self, name: &str) {
        match name {
            "Mobile" | "Mobi" | "IEMobile" | "Mini" | "UP.Browser" => self.mobile = true,
            "Tablet" | "PlayBook" | "Kindle" => self.tablet = true,
            "TV" | "SmartTV" | "SMART-TV" | "GoogleTV" | "BRAVIA" | "CrKey" => self.television = true,
            _ => {
                self.mobile |= name.starts_with("MIDP");
                // Fire TV sticks and boxes are AFTS, AFTMM, AFTKA…
                self.television |= name.starts_with("AFT");
            }
        }
    }

    fn take_product(&mut self, name: &'a str, version: &'a str) {
        match name {
            "Version" => self.version = version,
            "AppleWebKit" => self.webkit = true,
            "Safari" => self.safari = true,
            _ => {
                if let Some(revision) = name.strip_prefix("rv:") {
                    self.revision = digits(revision);
                }
            }
        }
        // TikTok writes `musical_ly_2023101040`.
        let name = if name.starts_with("musical_ly") { "musical_ly" } else { name };
        if let Some(browser) = Browser::of_product(name) {
            if browser == Browser::Chrome {
                self.chrome_version = version;
            }
            let says_more = browser == self.browser && self.product_version.is_empty();
            if browser > self.browser || says_more {
                (self.browser, self.product_version) = (browser, version);
            }
        }
    }

    fn browser(&self) -> (Browser, &'a str) {
        let apple = matches!(self.os, Os::Ios | Os::Macos);
        match self.browser {
            // Presto's Opera stopped counting at 9.80.
            Browser::Opera if self.product_version == "9.80" => (Browser::Opera, self.version),
            Browser::Ie if !self.revision.is_empty() => (Browser::Ie, self.revision),
            Browser::Webview => (Browser::Webview, self.chrome_version),
            Browser::Brave if self.product_version.is_empty() => (Browser::Brave, self.version),
            Browser::Other if self.safari && apple => (Browser::Safari, self.version),
            Browser::Other if self.webkit && apple => (Browser::Webview, ""),
            Browser::Other => (Browser::Other, ""),
            browser => (browser, self.product_version),
        }
    }

    fn os(&self) -> Os {
        // No Mac says `Mobile`: an app on an iPad that asks for desktop pages.
        if self.os == Os::Macos && self.mobile { Os::Ios } else { self.os }
    }

    fn device(&self, os: Os, hints: ClientHints<'_>) -> Device {
        let handheld = matches!(os, Os::Android | Os::Ios);
        let ipad = self.ipad || (self.os == Os::Macos && self.mobile);
        match hints.mobile.map(str::trim) {
            _ if self.television => Device::Desktop,
            // Internet Explorer says `Tablet PC 2.0` on any Windows with ink.
            _ if ipad || (self.tablet && os != Os::Windows) => Device::Tablet,
            Some("?1") => Device::Mobile,
            Some("?0") if handheld => Device::Tablet,
            Some("?0") => Device::Desktop,
            _ if self.mobile || self.os == Os::Ios => Device::Mobile,
            _ if handheld => Device::Tablet,
            _ => Device::Desktop,
        }
    }
}

/// The digits and dots at the start of a version.
fn digits(version: &str) -> &str {
    let end = version.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(version.len());
    version.get(..end).unwrap_or_default()
}
