/**
 * The side of the soak test that runs the program.
 *
 * @module
 */

import { linuxKernel } from "../../kernel/linux/linux.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ readonly programFd: number; readonly runs: number }>) => void;
  postMessage(message: string): void;
};

scope.onmessage = ({ data: { programFd, runs } }) => {
  const kernel = linuxKernel();
  for (let run = 0; run < runs; run++) {
    const { result } = kernel.programTestRun({ programFd });
    if (result < 0) throw new Error(`run ${run} of the program was refused: ${result}`);
  }
  scope.postMessage("done");
};
