import { bareEtcd } from "./bare-etcd.ts";
import { barePostgres } from "./bare-postgres.ts";
import { bareSqlite, bareSqliteFull } from "./bare-sqlite.ts";
import type { Calibration } from "./calibration.ts";
import { bareFlock, fdatasync, loopback } from "./physical.ts";

export const CALIBRATIONS: readonly Calibration[] = [
  fdatasync,
  loopback,
  bareFlock,
  bareSqlite,
  bareSqliteFull,
  barePostgres,
  bareEtcd,
];
