// A PostgreSQL of its own for the time of a test, of the binaries that Debian installs (`apt-get install postgresql`).

import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const DEBIAN = "/usr/lib/postgresql";

/** The folder of `initdb` and `pg_ctl`; undefined where there is none. */
function binaries() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(DEBIAN, version, "bin")), ...process.env.PATH.split(":")];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "pg_ctl")));
}

/** Starts one on a socket alone; `{url, close}`, or undefined where PostgreSQL is not installed. */
export function startPostgres() {
  const folder = binaries();
  if (!folder) return undefined;
  const place = mkdtempSync(join(tmpdir(), "sortition-postgres-"));
  // why: it refuses to run as root
  const isRoot = userInfo().uid === 0;
  if (isRoot) {
    const [uid, gid] = ["-u", "-g"].map((flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" })));
    chownSync(place, uid, gid);
  }
  const run = (program, ...args) => {
    const command = [join(folder, program), ...args];
    const [first, ...rest] = isRoot ? ["runuser", "-u", "postgres", "--", ...command] : command;
    execFileSync(first, rest, { cwd: place, stdio: ["ignore", "ignore", "inherit"] });
  };
  const data = join(place, "data");
  const close = () => {
    try {
      run("pg_ctl", "stop", "-D", data, "-m", "immediate");
    } finally {
      rmSync(place, { recursive: true, force: true });
    }
  };
  try {
    run("initdb", "-D", data, "-A", "trust", "-U", "sortition", "-E", "UTF8", "--locale", "C.UTF-8", "-N");
    const options = `-c listen_addresses= -c unix_socket_directories=${place} -c fsync=off`;
    run("pg_ctl", "start", "-w", "-D", data, "-l", join(place, "log"), "-o", options);
  } catch (error) {
    rmSync(place, { recursive: true, force: true });
    throw error;
  }
  return { url: `postgresql://sortition@/postgres?host=${place}`, close };
}
