//! The values that the formula chooses from: instance types, images and roles of instances.
//!
//! They are what the real API shows for such instances (cores, boot modes, usage operations).

/// An instance type.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    pub(crate) cores: u8,
    pub(crate) threads: u8,
    pub(crate) arm: bool,
    pub(crate) ebs_optimized: bool,
}

const fn machine(name: &'static str, cores: u8, threads: u8, arm: bool, ebs_optimized: bool) -> Machine {
    Machine { name, cores, threads, arm, ebs_optimized }
}

pub(crate) static T3_MICRO: Machine = machine("t3.micro", 1, 2, false, false);

/// An image family. The id of its image is a formula of the region and `number`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) number: u64,
    pub(crate) platform: Option<&'static str>,
    pub(crate) details: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) root: &'static str,
    pub(crate) root_gib: u32,
    /// `bootMode`; EC2 omits it for images that do not declare one.
    pub(crate) boot: Option<&'static str>,
    pub(crate) tpm: bool,
}

impl Image {
    /// Whether the image is for arm64.
    pub(crate) const fn arm(&self) -> bool {
        self.number == AMAZON_LINUX_ARM.number
    }

    /// `currentInstanceBootMode` of an instance of this image on `machine`.
    pub(crate) fn current_boot(&self, machine: &Machine) -> &'static str {
        if machine.arm || self.boot.is_some() { "uefi" } else { "legacy-bios" }
    }
}

pub(crate) static AMAZON_LINUX: Image = Image {
    number: 1,
    platform: None,
    details: "Linux/UNIX",
    operation: "RunInstances",
    root: "/dev/xvda",
    root_gib: 8,
    boot: Some("uefi-preferred"),
    tpm: false,
};
pub(crate) static AMAZON_LINUX_ARM: Image = Image { number: 2, boot: Some("uefi"), ..AMAZON_LINUX_BASE };
/// An old image. Its owner announced that it would be deregistered, and deregistered it.
pub(crate) static AMAZON_LINUX_OLD: Image = Image { boot: None, ..AMAZON_LINUX_BASE };
pub(crate) static UBUNTU: Image = Image { number: 3, root: "/dev/sda1", root_gib: 20, boot: None, ..AMAZON_LINUX_BASE };
pub(crate) static RED_HAT: Image = Image {
    number: 4,
    details: "Red Hat Enterprise Linux",
    operation: "RunInstances:0010",
    root: "/dev/sda1",
    root_gib: 10,
    ..AMAZON_LINUX_BASE
};
pub(crate) static WINDOWS: Image = Image {
    number: 5,
    platform: Some("windows"),
    details: "Windows",
    operation: "RunInstances:0002",
    root: "/dev/sda1",
    root_gib: 50,
    boot: Some("uefi"),
    tpm: true,
};

const AMAZON_LINUX_BASE: Image = Image {
    number: 0,
    platform: None,
    details: "Linux/UNIX",
    operation: "RunInstances",
    root: "/dev/xvda",
    root_gib: 8,
    boot: Some("uefi-preferred"),
    tpm: false,
};

/// The purpose of an instance, which decides most of its properties.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) machines: &'static [&'static Machine],
    pub(crate) images: &'static [&'static Image],
    /// Which security groups of its VPC it is in, by their ordinals in [`crate::simulator::network`].
    pub(crate) groups: &'static [u64],
    pub(crate) profile: Option<&'static str>,
    pub(crate) public: bool,
    pub(crate) scaled: bool,
    pub(crate) data_volumes: u64,
    pub(crate) data_gib: u32,
    pub(crate) spot_percent: u64,
    /// The partition placement group that its reservations are spread over.
    pub(crate) placement: Option<&'static str>,
}

static T3_MEDIUM: Machine = machine("t3.medium", 1, 2, false, true);
static M5_LARGE: Machine = machine("m5.large", 1, 2, false, true);
static M6I_XLARGE: Machine = machine("m6i.xlarge", 2, 2, false, true);
static M7A_LARGE: Machine = machine("m7a.large", 2, 1, false, true);
static C5_2XLARGE: Machine = machine("c5.2xlarge", 4, 2, false, true);
static R5_4XLARGE: Machine = machine("r5.4xlarge", 8, 2, false, true);
static C7G_LARGE: Machine = machine("c7g.large", 2, 1, true, true);
static R6G_XLARGE: Machine = machine("r6g.xlarge", 4, 1, true, true);
static G5_XLARGE: Machine = machine("g5.xlarge", 2, 2, false, true);

/// Ordinals of a VPC's security groups.
pub(crate) const GROUP_DEFAULT: u64 = 0;
pub(crate) const GROUP_WEB: u64 = 1;
pub(crate) const GROUP_DB: u64 = 2;

pub(crate) static ROLES: [Role; 7] = [
    Role {
        name: "web",
        machines: &[&M5_LARGE, &M6I_XLARGE, &T3_MEDIUM],
        images: &[&AMAZON_LINUX, &UBUNTU],
        groups: &[GROUP_WEB, GROUP_DEFAULT],
        profile: Some("web-server"),
        public: true,
        scaled: true,
        data_volumes: 0,
        data_gib: 0,
        spot_percent: 10,
        placement: None,
    },
    Role {
        name: "api",
        machines: &[&M7A_LARGE, &M6I_XLARGE],
        images: &[&AMAZON_LINUX, &UBUNTU],
        groups: &[GROUP_WEB],
        profile: Some("api-server"),
        public: false,
        scaled: true,
        data_volumes: 0,
        data_gib: 0,
        spot_percent: 0,
        placement: None,
    },
    Role {
        name: "worker",
        machines: &[&C7G_LARGE],
        images: &[&AMAZON_LINUX_ARM],
        groups: &[GROUP_DEFAULT],
        profile: Some("queue-worker"),
        public: false,
        scaled: true,
        data_volumes: 1,
        data_gib: 100,
        spot_percent: 40,
        placement: None,
    },
    Role {
        name: "db",
        machines: &[&R5_4XLARGE],
        images: &[&RED_HAT, &UBUNTU],
        groups: &[GROUP_DB],
        profile: Some("database"),
        public: false,
        scaled: false,
        data_volumes: 2,
        data_gib: 500,
        spot_percent: 0,
        placement: None,
    },
    Role {
        name: "cache",
        machines: &[&R6G_XLARGE],
        images: &[&AMAZON_LINUX_ARM],
        groups: &[GROUP_DB, GROUP_DEFAULT],
        profile: None,
        public: false,
        scaled: false,
        data_volumes: 0,
        data_gib: 0,
        spot_percent: 0,
        placement: Some("cache-partitions"),
    },
    Role {
        name: "build",
        machines: &[&C5_2XLARGE, &G5_XLARGE],
        images: &[&AMAZON_LINUX, &WINDOWS],
        groups: &[GROUP_DEFAULT],
        profile: Some("build-agent"),
        public: false,
        scaled: false,
        data_volumes: 1,
        data_gib: 200,
        spot_percent: 20,
        placement: None,
    },
    Role {
        name: "bastion",
        machines: &[&T3_MICRO],
        images: &[&AMAZON_LINUX, &AMAZON_LINUX_OLD],
        groups: &[GROUP_DEFAULT],
        profile: None,
        public: true,
        scaled: false,
        data_volumes: 0,
        data_gib: 0,
        spot_percent: 0,
        placement: None,
    },
];

/// The role of instances that `RunInstances` launches: it adds nothing to what the call says.
pub(crate) static LAUNCHED: Role = Role {
    name: "launched",
    machines: &[],
    images: &[],
    groups: &[],
    profile: None,
    public: false,
    scaled: false,
    data_volumes: 0,
    data_gib: 0,
    spot_percent: 0,
    placement: None,
};

/// All sets of a VPC's security groups. In the index, bit `n` says whether group `n` is in the set.
pub(crate) static GROUP_SETS: [&[u64]; 8] = [&[], &[0], &[1], &[1, 0], &[2], &[2, 0], &[1, 2], &[1, 2, 0]];

static MACHINES: [&Machine; 10] = [
    &T3_MICRO,
    &T3_MEDIUM,
    &M5_LARGE,
    &M6I_XLARGE,
    &M7A_LARGE,
    &C5_2XLARGE,
    &R5_4XLARGE,
    &C7G_LARGE,
    &R6G_XLARGE,
    &G5_XLARGE,
];

/// The instance type with this name.
pub(crate) fn machine_named(name: &str) -> Option<&'static Machine> {
    MACHINES.into_iter().find(|machine| machine.name == name)
}

static IMAGES: [&Image; 6] = [&AMAZON_LINUX_OLD, &AMAZON_LINUX, &AMAZON_LINUX_ARM, &UBUNTU, &RED_HAT, &WINDOWS];

/// The image family with this number.
pub(crate) fn image_numbered(number: u64) -> Option<&'static Image> {
    IMAGES.into_iter().find(|image| image.number == number)
}

/// The instance profile with this name.
pub(crate) fn profile_named(name: &str) -> Option<&'static str> {
    ROLES.iter().filter_map(|role| role.profile).find(|profile| *profile == name)
}

/// How many in 100 instances have each of [`ROLES`].
pub(crate) static ROLE_WEIGHTS: [u64; 7] = [30, 25, 20, 10, 7, 6, 2];

pub(crate) static ENVIRONMENTS: [&str; 4] = ["prod", "prod", "staging", "dev"];
pub(crate) static TEAMS: [&str; 6] = ["platform", "payments", "search", "data", "growth", "mobile"];
pub(crate) static KEY_NAMES: [&str; 3] = ["ops-2024", "ops-2026", "build"];

/// The regions that every account has without opting in, with the country of each.
pub(crate) static REGIONS: [(&str, &str); 17] = [
    ("ap-northeast-1", "Japan"),
    ("ap-northeast-2", "Korea"),
    ("ap-northeast-3", "Japan"),
    ("ap-south-1", "India"),
    ("ap-southeast-1", "Singapore"),
    ("ap-southeast-2", "Australia"),
    ("ca-central-1", "Canada"),
    ("eu-central-1", "Germany"),
    ("eu-north-1", "Sweden"),
    ("eu-west-1", "Ireland"),
    ("eu-west-2", "United Kingdom"),
    ("eu-west-3", "France"),
    ("sa-east-1", "Brazil"),
    ("us-east-1", "United States of America"),
    ("us-east-2", "United States of America"),
    ("us-west-1", "United States of America"),
    ("us-west-2", "United States of America"),
];

/// The regions that an account has only if it opted in, with the country of each.
pub(crate) static OPT_IN_REGIONS: [(&str, &str); 15] = [
    ("af-south-1", "South Africa"),
    ("ap-east-1", "Hong Kong"),
    ("ap-south-2", "India"),
    ("ap-southeast-3", "Indonesia"),
    ("ap-southeast-4", "Australia"),
    ("ap-southeast-5", "Malaysia"),
    ("ap-southeast-7", "Thailand"),
    ("ca-west-1", "Canada"),
    ("eu-central-2", "Switzerland"),
    ("eu-south-1", "Italy"),
    ("eu-south-2", "Spain"),
    ("il-central-1", "Israel"),
    ("me-central-1", "United Arab Emirates"),
    ("me-south-1", "Bahrain"),
    ("mx-central-1", "Mexico"),
];

/// The prefix of a region's zone ids: `use1` for `us-east-1`.
pub(crate) fn zone_id_prefix(region: &str) -> String {
    let mut parts = region.split('-');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part {
            "northeast" => out.push_str("ne"),
            "northwest" => out.push_str("nw"),
            "southeast" => out.push_str("se"),
            "southwest" => out.push_str("sw"),
            number if number.bytes().all(|b| b.is_ascii_digit()) => out.push_str(number),
            word => out.extend(word.chars().next()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_are_abbreviated_as_aws_does() {
        assert_eq!(zone_id_prefix("us-east-1"), "use1");
        assert_eq!(zone_id_prefix("ap-southeast-2"), "apse2");
        assert_eq!(zone_id_prefix("eu-central-1"), "euc1");
    }

    #[test]
    fn every_instance_plays_a_role() {
        assert_eq!(ROLE_WEIGHTS.iter().sum::<u64>(), 100);
    }
}
