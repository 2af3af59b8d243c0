//! The closed sets that labels are taken from.

macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$member_doc])* $member,)+
        }

        impl $name {
            /// All of them, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The label's value.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $text,)+
                }
            }
        }
    };
}

label! {
    /// The endpoint of a request: a row of the route table, never a path.
    Endpoint {
        /// `POST /oauth/token`
        Token => "token",
        /// `POST /refreshtoken`, `/oauth/refreshtoken`
        Refresh => "refresh",
        /// `GET /userinfo`
        Userinfo => "userinfo",
        /// `GET /users/me`
        UsersMe => "users_me",
        /// `GET /authorize`
        Authorize => "authorize",
        /// `GET /callback`
        Callback => "callback",
        /// `/logout`
        Logout => "logout",
        /// `/v2/logout`
        V2Logout => "v2_logout",
        /// `/oidc/logout`
        OidcLogout => "oidc_logout",
        /// `/verify`, `/verify/TENANT/CLIENT`
        Verify => "verify",
        /// `POST /backchannel-logout`
        BackchannelLogout => "backchannel_logout",
        /// `POST /oauth/revoke`
        Revoke => "revoke",
        /// `POST /oauth/device/code`
        DeviceCode => "device_code",
        /// `POST /oauth/par`
        Par => "par",
        /// `POST /passwordless/start`
        PasswordlessStart => "passwordless_start",
        /// `POST /dbconnections/signup`
        Signup => "signup",
        /// `POST /dbconnections/change_password`
        ChangePassword => "change_password",
        /// `/mfa/…`
        Mfa => "mfa",
        /// `OPTIONS`
        Preflight => "preflight",
        /// `/.well-known/openid-configuration`
        Discovery => "discovery",
        /// `/.well-known/jwks.json`
        Keys => "jwks",
        /// `/-/…`
        Health => "health",
        /// No row.
        Unknown => "unknown",
    }
}

label! {
    /// Which of Auth0's endpoints was called.
    Api {
        /// `/oauth/token`
        Token => "token",
        /// `/.well-known/openid-configuration`
        Discovery => "discovery",
        /// `/userinfo`
        Userinfo => "userinfo",
        /// `/oauth/revoke`
        Revoke => "revoke",
        /// `/oauth/device/code`
        Device => "device",
        /// `/oauth/par`
        Par => "par",
        /// `/passwordless/start`
        Passwordless => "passwordless",
        /// `/dbconnections/…`
        Database => "dbconnections",
        /// `/mfa/…`
        Mfa => "mfa",
        /// `/.well-known/jwks.json`
        Jwks => "jwks",
    }
}

label! {
    /// How a tenant was found, or why none was.
    ResolutionReason {
        /// A pattern that is the host itself.
        Exact => "exact",
        /// A `*.` pattern.
        Suffix => "suffix",
        /// The pattern `*`.
        Any => "any",
        /// Nothing claims the pair.
        NoMatch => "no_match",
        /// `client-type` and `client_id` name different clients.
        Disagreement => "disagreement",
        /// The tenant is switched off.
        Disabled => "disabled",
        /// The file that claims the host was never good.
        Broken => "broken",
        /// Two files claim the pair and none holds it.
        Disputed => "disputed",
        /// The request's host cannot be told.
        BadHost => "bad_host",
    }
}

label! {
    /// How a login ended.
    LoginResult {
        /// Tokens or a session.
        Ok => "ok",
        /// Auth0 or a policy refused.
        Refused => "refused",
        /// Something failed that is nobody's credentials.
        Error => "error",
    }
}

label! {
    /// How a refresh ended.
    RefreshResult {
        /// Auth0 renewed.
        Ok => "ok",
        /// Another caller's answer was given.
        Shared => "shared",
        /// Auth0 refused.
        Rejected => "rejected",
        /// The outcome of a rotating token is unknown; the session ended.
        Lost => "lost",
        /// It may be tried again.
        Error => "error",
    }
}

label! {
    /// What came of a logout token.
    BackchannelResult {
        /// At least one session ended.
        Ended => "ended",
        /// It counts, and there was no session.
        None => "none",
        /// It does not count.
        Rejected => "rejected",
        /// Keys or store cannot be had.
        Error => "error",
    }
}

label! {
    /// How a fetch ended.
    FetchResult {
        /// Fetched and usable.
        Ok => "ok",
        /// Not fetched, or not usable.
        Error => "error",
        /// Not tried: the cool-down for unknown key ids holds.
        Cooled => "cooled",
    }
}

label! {
    /// A cache.
    CacheName {
        /// Discovery documents.
        Discovery => "discovery",
        /// Key sets.
        Keys => "keys",
        /// Verified bearers.
        Bearer => "bearer",
        /// Claims from `/userinfo`.
        Userinfo => "userinfo",
        /// Rejected credentials.
        Rejected => "rejected",
    }
}

label! {
    /// What a cache said.
    CacheResult {
        /// There and fresh.
        Hit => "hit",
        /// Not there.
        Miss => "miss",
        /// There, too old, and given since the fetch failed.
        Stale => "stale",
    }
}

label! {
    /// What the operator must mend.
    OperatorErrorKind {
        /// Auth0 rejects the client's secret or key.
        ClientCredentials => "client_credentials",
        /// Auth0 says that the application may not use the grant.
        Grant => "grant",
        /// An ID token that does not verify: wrong issuer, algorithm or audience configured.
        IdToken => "id_token",
        /// The upstream's address is not allowed.
        Address => "address",
        /// A discovery document that is none, or another issuer's.
        Discovery => "discovery",
    }
}

label! {
    /// How a reload ended.
    ReloadResult {
        /// Everything that was found is in service.
        Applied => "applied",
        /// At least one file was rejected; the rest is in service.
        Partial => "partial",
        /// The directory could not be read.
        Failed => "failed",
    }
}

label! {
    /// The state of a tenant's file.
    TenantState {
        /// What the file says is in service.
        Active => "active",
        /// The file is broken; its last good version is in service.
        LastGood => "last_good",
        /// The file was never good.
        Broken => "broken",
        /// `enabled: false`.
        Disabled => "disabled",
    }
}

label! {
    /// How changes of files are noticed.
    WatchMode {
        /// By the kernel's notification, with a slow poll beside it.
        Notify => "notify",
        /// By polling alone.
        Poll => "poll",
    }
}

label! {
    /// Why a call to Auth0 was not made.
    ShedReason {
        /// Too many wait already.
        QueueFull => "queue_full",
        /// No place came free in time.
        Wait => "wait",
        /// The breaker is open.
        Breaker => "breaker",
        /// Strangers may use a part of the budget only.
        Strangers => "strangers",
    }
}

label! {
    /// The state of a breaker; the gauge shows its place in this list.
    BreakerState {
        /// Calls pass.
        Closed => "closed",
        /// One call tries.
        HalfOpen => "half_open",
        /// No call passes.
        Open => "open",
    }
}

label! {
    /// Where sessions are kept.
    StoreBackend {
        /// In this process.
        Memory => "memory",
        /// In a file beside it.
        File => "file",
        /// In Redis.
        Redis => "redis",
    }
}

label! {
    /// What a session store was asked.
    StoreOperation {
        /// A session was opened.
        Open => "open",
        /// A session was read.
        Read => "read",
        /// A session was touched or replaced.
        Write => "write",
        /// Sessions were ended.
        End => "end",
        /// Subjects were listed or sessions counted.
        List => "list",
        /// A first time or a value given out once.
        Once => "once",
        /// A lease or a shared result.
        Lease => "lease",
        /// What is over was dropped.
        Sweep => "sweep",
    }
}

label! {
    /// Why a session store did not answer.
    StoreErrorKind {
        /// Not reached, or not in time.
        Unavailable => "unavailable",
        /// A record that no key opens.
        Unreadable => "unreadable",
    }
}
