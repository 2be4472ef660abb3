// A chart of several series over the last minutes.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

interface Props { label: string; times: (number | null)[]; rows: { name: string; values: (number | null)[]; dash?: number[] }[] }

const COLOURS = ["#0b5c3b", "#8a3b00", "#1f3f8f"];

export function Chart({ label, times, rows }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const names = rows.map((row) => row.name).join();
  useEffect(() => {
    const width = place.current!.clientWidth || 320;
    const series = rows.map((row, n) => ({ label: row.name, stroke: COLOURS[n], width: 2, dash: row.dash }));
    plot.current = new uPlot({ width, height: 180, series: [{}, ...series] }, [[], ...rows.map(() => [])] as uPlot.AlignedData, place.current!);
    return () => plot.current?.destroy();
  }, [names]);
  useEffect(() => plot.current?.setData([times, ...rows.map((row) => row.values)] as uPlot.AlignedData), [times, names]);
  return (
    <figure aria-label={label}>
      <figcaption>{label}</figcaption>
      <div ref={place} />
    </figure>
  );
}
