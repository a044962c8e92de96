/**
 * Gauss–Krüger forward projection on the CGCS2000 ellipsoid, EPSG:4547 (3° zone, 114°E).
 *
 * Formula: the Krüger series in the third flattening n, to n⁶, as printed in C. F. F. Karney,
 * "Transverse Mercator with an accuracy of a few nanometers", J. Geodesy 85 (2011), eq. (35).
 */

const SEMI_MAJOR_M = 6_378_137;
const FLATTENING = 1 / 298.257222101;
const CENTRAL_MERIDIAN_DEG = 114;
const FALSE_EASTING_M = 500_000;

const N = FLATTENING / (2 - FLATTENING);
const ECCENTRICITY = Math.sqrt(FLATTENING * (2 - FLATTENING));
const RECTIFYING_RADIUS_M = (SEMI_MAJOR_M / (1 + N)) * (1 + N ** 2 / 4 + N ** 4 / 64 + N ** 6 / 256);

const ALPHA: readonly number[] = [
  N / 2 - (2 / 3) * N ** 2 + (5 / 16) * N ** 3 + (41 / 180) * N ** 4 - (127 / 288) * N ** 5 +
    (7891 / 37800) * N ** 6,
  (13 / 48) * N ** 2 - (3 / 5) * N ** 3 + (557 / 1440) * N ** 4 + (281 / 630) * N ** 5 -
    (1983433 / 1935360) * N ** 6,
  (61 / 240) * N ** 3 - (103 / 140) * N ** 4 + (15061 / 26880) * N ** 5 +
    (167603 / 181440) * N ** 6,
  (49561 / 161280) * N ** 4 - (179 / 168) * N ** 5 + (6601661 / 7257600) * N ** 6,
  (34729 / 80640) * N ** 5 - (3418889 / 1995840) * N ** 6,
  (212378941 / 319334400) * N ** 6,
];

/** Metres east and north in EPSG:4547. */
export interface Projected {
  readonly east: number;
  readonly north: number;
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** Projects CGCS2000 longitude and latitude (degrees) to EPSG:4547 (metres). */
export function toCityGrid(longitude: number, latitude: number): Projected {
  const difference = radians(longitude - CENTRAL_MERIDIAN_DEG);
  const tau = Math.tan(radians(latitude));
  const sigma = Math.sinh(
    ECCENTRICITY * Math.atanh((ECCENTRICITY * tau) / Math.sqrt(1 + tau * tau)),
  );
  const conformal = tau * Math.sqrt(1 + sigma * sigma) - sigma * Math.sqrt(1 + tau * tau);
  const xi = Math.atan2(conformal, Math.cos(difference));
  const eta = Math.asinh(Math.sin(difference) / Math.hypot(conformal, Math.cos(difference)));
  let east = eta;
  let north = xi;
  ALPHA.forEach((coefficient, index) => {
    const order = 2 * (index + 1);
    east += coefficient * Math.cos(order * xi) * Math.sinh(order * eta);
    north += coefficient * Math.sin(order * xi) * Math.cosh(order * eta);
  });
  return { east: FALSE_EASTING_M + RECTIFYING_RADIUS_M * east, north: RECTIFYING_RADIUS_M * north };
}
