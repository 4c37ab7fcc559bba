import type { DesiredTask } from "../../plan/desired.ts";
import { Phase } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { appDirectory, appFiles, packagePath, releaseDirectory } from "./environment.ts";

interface Release {
  readonly version: string;
  readonly sha256: string;
}

/**
 * Unpack, install, post-install (first app host), switch: each with its own proof of being done, so
 * that a cut anywhere leaves the release in use as it was, and the next run goes on.
 */
export function packageTasks(topology: ServiceTopology, host: string, release: Release): DesiredTask[] {
  const { name, hosts } = topology.app;
  const first = hosts[0] === host;
  return [
    unpack(name, release),
    install(name, release, { skipPostinstall: !first }),
    ...(first ? [postinstall(name, release, topology.candidates !== undefined)] : []),
    switchRelease(name, release),
  ];
}

const shell = (script: string, ...parameters: string[]): string[] => [
  "sh",
  "-euc",
  script,
  "sh",
  ...parameters,
];

/** Names the archive that a release came from: the same version with other content is unpacked anew. */
const origin = ".holdfast-package";

function unpack(name: string, { version, sha256 }: Release): DesiredTask {
  const releases = `${appDirectory(name)}/releases`;
  return {
    id: "app-unpack",
    title: `unpack ${name} ${version}`,
    phase: Phase.app,
    done: ["grep", "-qsx", sha256, `${releaseDirectory(name, version)}/${origin}`],
    act: shell(
      `releases=$1 archive=$2 top=$3 version=$4 sha256=$5
cd "$releases"
rm -rf .unpack.* .replaced.*
work=$(mktemp -d .unpack.XXXXXX)
tar -xzf "$archive" -C "$work" --no-same-owner
[ "$(cat "$work/$top/VERSION")" = "$version" ] || { echo "the archive holds no $top/VERSION that says $version" >&2; exit 1; }
echo "$sha256" > "$work/$top/${origin}"
sync -f "$work"
if [ -e "$version" ]; then mv -T "$version" ".replaced.$version"; fi
mv -T "$work/$top" "$version"
rm -rf "$work" ".replaced.$version"`,
      releases,
      packagePath(name, version),
      `${name}-${version}`,
      version,
      sha256,
    ),
  };
}

/** Proof that a script of exactly this package ended well on this host. */
const marker = (script: string): string => `/var/lib/holdfast/app-${script}`;

const recordIn = `printf '%s\\n' "$sha256" > "$marker.new"; sync "$marker.new"; mv "$marker.new" "$marker"`;

const withEnvironment = `set -a; . ${appFiles.environment}; set +a`;

function install(name: string, release: Release, options: { skipPostinstall: boolean }): DesiredTask {
  return {
    id: "app-install",
    title: `install ${name} ${release.version}`,
    phase: Phase.app,
    done: ["grep", "-qsx", release.sha256, marker("install")],
    act: shell(
      `release=$1 marker=$2 sha256=$3
${withEnvironment}${options.skipPostinstall ? "\nexport SKIP_POSTINSTALL=1" : ""}
cd "$release"
scripts/install
systemctl daemon-reload
${recordIn}`,
      releaseDirectory(name, release.version),
      marker("install"),
      release.sha256,
    ),
    timeoutMs: 300_000,
  };
}

/**
 * Connects the app to its database and migrates it: also due when the schema is not what the release needs. In a
 * pool the first host may be another one than it was: where it was never done here, the schema says whether it was.
 */
function postinstall(name: string, release: Release, isPool: boolean): DesiredTask {
  const directory = releaseDirectory(name, release.version);
  return {
    id: "app-postinstall",
    title: `post-install and migrate ${name} ${release.version}`,
    phase: Phase.app,
    done: shell(
      `release=$1 marker=$2 sha256=$3
${isPool ? '[ ! -e "$marker" ] || ' : ""}grep -qsx "$sha256" "$marker"
${withEnvironment}
cd "$release"
scripts/migrate --check`,
      directory,
      marker("postinstall"),
      release.sha256,
    ),
    act: shell(
      `release=$1 marker=$2 sha256=$3
${withEnvironment}
cd "$release"
scripts/postinstall
scripts/migrate
${recordIn}`,
      directory,
      marker("postinstall"),
      release.sha256,
    ),
    timeoutMs: 600_000,
  };
}

function switchRelease(name: string, { version }: Release): DesiredTask {
  return {
    id: "app-current",
    title: `switch ${name} to ${version}`,
    phase: Phase.app,
    done: shell('[ "$(readlink "$1/current")" = "releases/$2" ]', appDirectory(name), version),
    // A symbolic link cannot be changed, but it can be replaced by rename.
    act: shell(
      'ln -sfn "releases/$2" "$1/.current.new"; mv -T "$1/.current.new" "$1/current"',
      appDirectory(name),
      version,
    ),
  };
}
