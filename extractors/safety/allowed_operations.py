"""The TensorFlow operations that a graph may hold: they compute, and do nothing else.

Sorted by hand from the registry of TensorFlow 2.21, for what exported models hold: Keras' layers,
models of TensorFlow Hub, text and pictures prepared in the graph, graphs that were saved from where
they were trained. What is not here is refused, so what a later TensorFlow adds is refused until
somebody has read what it does. Left out on purpose, though they compute: what TensorFlow's own
optimizers put into a graph at run time (`_Mkl…`, `_Fused…`), what only its tests use, what was
deprecated before 2016, what gives memory that nobody has written (`Empty`), and what nobody
exports.
"""

from __future__ import annotations

STATELESS = {
    "numbers": """
        Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2
        Atanh BesselI0 BesselI0e BesselI1 BesselI1e BesselJ0 BesselJ1 BesselK0 BesselK0e BesselK1
        BesselK1e BesselY0 BesselY1 Betainc BitwiseAnd BitwiseOr BitwiseXor Cast Ceil ClipByValue
        Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp Dawsn Digamma Div
        DivNoNan Equal Erf Erfc Erfinv Exp Expint Expm1 Floor FloorDiv FloorMod FresnelCos
        FresnelSin Greater GreaterEqual Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan L2Loss
        LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Maximum Minimum
        Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma PopulationCount Pow Real RealDiv
        Reciprocal RightShift Rint Round Rsqrt Sign Sin Sinh Spence Sqrt Square SquaredDifference
        Sub Tan TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
        """,
    "activations": """
        Elu LeakyRelu LogSoftmax Relu Relu6 Selu Sigmoid Softmax Softplus Softsign Tanh
        """,
    "reductions, segments and what is largest": """
        All Any ApproxTopK ArgMax ArgMin Bincount Bucketize DenseBincount EuclideanNorm
        HistogramFixedWidth InTopK InTopKV2 IsotonicRegression KthOrderStatistic LowerBound Max Mean
        Min NthElement Prod SegmentMax SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2 SegmentProd
        SegmentProdV2 SegmentSum SegmentSumV2 Sum TopKV2 Unique UniqueV2 UniqueWithCounts
        UniqueWithCountsV2 UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
        UnsortedSegmentSum UpperBound
        """,
    "shapes, indices and copies": """
        BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo Concat
        ConcatOffset ConcatV2 Const DataFormatDimMap DataFormatVecPermute DepthToSpace Diag DiagPart
        DynamicPartition DynamicStitch EnsureShape ExpandDims FakeParam Fill Gather GatherNd
        GatherV2 Identity IdentityN InvertPermutation LinSpace ListDiff MirrorPad NoOp OneHot
        OnesLike Pack Pad PadV2 ParallelDynamicStitch Placeholder PlaceholderWithDefault
        PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd
        ScatterNdNonAliasingAdd Select SelectV2 Shape ShapeN Size Slice Snapshot SpaceToBatch
        SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd
        TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate
        TensorStridedSliceUpdate Tile Transpose ConjugateTranspose Unpack UnravelIndex Where
        ZerosLike
        """,
    "matrices and Fourier transforms": """
        BandedTriangularSolve BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky Eig Einsum FFT FFT2D
        FFT3D FFTND IFFT IFFT2D IFFT3D IFFTND IRFFT IRFFT2D IRFFT3D IRFFTND LogMatrixDeterminant Lu
        MatMul MatrixBandPart MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2
        MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixLogarithm MatrixSetDiag
        MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve MatrixSolveLs MatrixSquareRoot
        MatrixTriangularSolve Qr RFFT RFFT2D RFFT3D RFFTND SelfAdjointEigV2 Svd TridiagonalMatMul
        TridiagonalSolve
        """,
    "layers": """
        AvgPool AvgPool3D BiasAdd BiasAddV1 Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2
        Conv3D Conv3DBackpropInputV2 DepthwiseConv2dNative Dilation2D ExtractImagePatches
        ExtractVolumePatches FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormV2
        FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D LRN MaxPool MaxPool3D MaxPoolV2
        MaxPoolWithArgmax
        """,
    "recurrent layers": """
        BlockLSTM BlockLSTMV2 CudnnRNNCanonicalToParams CudnnRNNCanonicalToParamsV2
        CudnnRNNParamsSize CudnnRNNParamsToCanonical CudnnRNNParamsToCanonicalV2 GRUBlockCell
        LSTMBlockCell
        """,
    "control flow and functions": """
        ControlTrigger Enter Exit For LoopCond Merge NextIteration OptionalFromValue
        OptionalGetValue OptionalHasValue OptionalNone PartitionedCall StatelessCase StatelessIf
        StatelessWhile Switch ToBool
        """,
    "lists of tensors": """
        EmptyTensorList TensorListConcat TensorListConcatLists TensorListConcatV2
        TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
        TensorListLength TensorListPopBack TensorListPushBack TensorListPushBackBatch
        TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList
        TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack TensorArrayConcatV2
        """,
    "pictures": """
        AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize
        DecodeAndCropJpeg DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DecodeWebP
        DrawBoundingBoxes DrawBoundingBoxesV2 ExtractGlimpse ExtractGlimpseV2 ExtractJpegShape
        GenerateBoundingBoxProposals HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3
        NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
        NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea ResizeBicubic
        ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate
        """,
    "sounds": """
        AudioMicrofrontend AudioSpectrogram CTCBeamSearchDecoder CTCGreedyDecoder CTCLoss CTCLossV2
        DecodeWav Mfcc
        """,
    "texts": """
        AsString DecodeBase64 DecodeCompressed DecodePaddedRaw DecodeRaw EditDistance EncodeBase64
        Fingerprint ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch StaticRegexReplace
        StringFormat StringJoin StringLength StringLower StringNGrams StringSplit StringSplitV2
        StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong
        StringToNumber StringUpper Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode
        UnicodeScript UnicodeTranscode UnsortedSegmentJoin
        """,
    "examples that a server is sent": """
        ParseExample ParseExampleV2 ParseSequenceExample ParseSequenceExampleV2 ParseSingleExample
        ParseSingleSequenceExample
        """,
    "ragged tensors": """
        RaggedBincount RaggedCountSparseOutput RaggedCross RaggedFillEmptyRows RaggedGather
        RaggedRange RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToTensor
        RaggedTensorToVariant
        """,
    "sparse tensors": """
        DenseCountSparseOutput DenseToDenseSetOperation DenseToSparseSetOperation SetSize SparseAdd
        SparseBincount SparseConcat SparseCountSparseOutput SparseCross SparseCrossHashed
        SparseCrossV2 SparseDenseCwiseAdd SparseDenseCwiseDiv SparseDenseCwiseMul
        SparseFillEmptyRows SparseMatMul SparseReduceMax SparseReduceMaxSparse SparseReduceSum
        SparseReduceSumSparse SparseReorder SparseReshape SparseSegmentMean
        SparseSegmentMeanWithNumSegments SparseSegmentSqrtN SparseSegmentSqrtNWithNumSegments
        SparseSegmentSum SparseSegmentSumWithNumSegments SparseSlice SparseSoftmax
        SparseSparseMaximum SparseSparseMinimum SparseSplit SparseTensorDenseAdd
        SparseTensorDenseMatMul SparseToDense SparseToSparseSetOperation
        """,
    "quantised numbers": """
        Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
        QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4
        QuantizeDownAndShrinkRange QuantizeV2 QuantizedAdd QuantizedAvgPool
        QuantizedBatchNormWithGlobalNormalization QuantizedBiasAdd QuantizedConcat QuantizedConcatV2
        QuantizedConv2D QuantizedConv2DAndRelu QuantizedConv2DAndReluAndRequantize
        QuantizedConv2DAndRequantize QuantizedConv2DPerChannel QuantizedConv2DWithBias
        QuantizedConv2DWithBiasAndRelu QuantizedConv2DWithBiasAndReluAndRequantize
        QuantizedConv2DWithBiasAndRequantize QuantizedConv2DWithBiasSignedSumAndReluAndRequantize
        QuantizedConv2DWithBiasSumAndRelu QuantizedConv2DWithBiasSumAndReluAndRequantize
        QuantizedDepthwiseConv2D QuantizedDepthwiseConv2DWithBias
        QuantizedDepthwiseConv2DWithBiasAndRelu QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize
        QuantizedInstanceNorm QuantizedMatMul QuantizedMatMulWithBias
        QuantizedMatMulWithBiasAndDequantize QuantizedMatMulWithBiasAndRelu
        QuantizedMatMulWithBiasAndReluAndRequantize QuantizedMatMulWithBiasAndRequantize
        QuantizedMaxPool QuantizedMul QuantizedRelu QuantizedRelu6 QuantizedReluX QuantizedReshape
        QuantizedResizeBilinear RequantizationRange RequantizationRangePerChannel Requantize
        RequantizePerChannel UniformDequantize UniformQuantize UniformQuantizedAdd
        UniformQuantizedClipByValue UniformQuantizedConvolution UniformQuantizedConvolutionHybrid
        UniformQuantizedDot UniformQuantizedDotHybrid UniformRequantize
        """,
    "random numbers from a seed that is given": """
        StatelessMultinomial StatelessParameterizedTruncatedNormal StatelessRandomBinomial
        StatelessRandomGammaV2 StatelessRandomGammaV3 StatelessRandomGetKeyCounter
        StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
        StatelessRandomPoisson StatelessRandomUniform StatelessRandomUniformFullInt
        StatelessRandomUniformFullIntV2 StatelessRandomUniformInt StatelessRandomUniformIntV2
        StatelessRandomUniformV2 StatelessSampleDistortedBoundingBox StatelessShuffle
        StatelessTruncatedNormal StatelessTruncatedNormalV2
        """,
    "gradients and losses, left in graphs that were trained": """
        AvgPool3DGrad AvgPoolGrad BiasAddGrad BlockLSTMGrad BlockLSTMGradV2 CholeskyGrad
        ComputeAccidentalHits Conv2DBackpropFilter Conv2DBackpropFilterV2 Conv3DBackpropFilterV2
        CropAndResizeGradBoxes CropAndResizeGradImage DepthwiseConv2dNativeBackpropFilter
        DepthwiseConv2dNativeBackpropInput Dilation2DBackpropFilter Dilation2DBackpropInput EluGrad
        FakeQuantWithMinMaxArgsGradient FakeQuantWithMinMaxVarsGradient
        FakeQuantWithMinMaxVarsPerChannelGradient FractionalAvgPoolGrad FractionalMaxPoolGrad
        FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 GRUBlockCellGrad IgammaGradA
        InvGrad LRNGrad LSTMBlockCellGrad LeakyReluGrad MaxPool3DGrad MaxPool3DGradGrad MaxPoolGrad
        MaxPoolGradGrad MaxPoolGradGradV2 MaxPoolGradGradWithArgmax MaxPoolGradV2
        MaxPoolGradWithArgmax MirrorPadGrad QuantizeAndDequantizeV4Grad RaggedFillEmptyRowsGrad
        RaggedTensorToVariantGradient RandomGammaGrad ReciprocalGrad Relu6Grad ReluGrad
        ResizeBicubicGrad ResizeBilinearGrad ResizeNearestNeighborGrad RsqrtGrad
        ScaleAndTranslateGrad SeluGrad SigmoidGrad SoftmaxCrossEntropyWithLogits SoftplusGrad
        SoftsignGrad SparseAddGrad SparseFillEmptyRowsGrad SparseSegmentMeanGrad
        SparseSegmentMeanGradV2 SparseSegmentSqrtNGrad SparseSegmentSqrtNGradV2 SparseSegmentSumGrad
        SparseSegmentSumGradV2 SparseSliceGrad SparseSoftmaxCrossEntropyWithLogits SqrtGrad
        StridedSliceGrad TanhGrad
        """,
    # Their tensors are references (TensorFlow 1), so that TensorFlow does not call them stateful.
    "variables of TensorFlow 1": """
        ApplyAdaMax ApplyAdadelta ApplyAdagrad ApplyAdagradDA ApplyAdagradV2 ApplyAdam ApplyAddSign
        ApplyCenteredRMSProp ApplyFtrl ApplyFtrlV2 ApplyGradientDescent ApplyMomentum ApplyPowerSign
        ApplyProximalAdagrad ApplyProximalGradientDescent ApplyRMSProp Assign AssignAdd AssignSub
        CountUpTo IsVariableInitialized RefEnter RefExit RefIdentity RefMerge RefNextIteration
        RefSelect RefSwitch ScatterAdd ScatterDiv ScatterMax ScatterMin ScatterMul ScatterNdAdd
        ScatterNdMax ScatterNdMin ScatterNdSub ScatterNdUpdate ScatterSub ScatterUpdate
        SparseApplyAdadelta SparseApplyAdagrad SparseApplyAdagradDA SparseApplyAdagradV2
        SparseApplyCenteredRMSProp SparseApplyFtrl SparseApplyFtrlV2 SparseApplyMomentum
        SparseApplyProximalAdagrad SparseApplyProximalGradientDescent SparseApplyRMSProp
        StridedSliceAssign
        """,
    # Let through here, as a plainer message follows when they cannot be frozen. Their values are
    # tensors; what fills a table from a file is not here.
    "tables of words of TensorFlow 1": """
        InitializeTable LookupTableExport LookupTableFind LookupTableImport LookupTableInsert
        LookupTableSize
        """,
}
"""Operations that TensorFlow calls stateless, by what they are for."""

STATEFUL = {
    "arguments, results and calls": """
        Case If StatefulPartitionedCall While _Arg _Retval
        """,
    "checks, which end the computation with an error": """
        Assert CheckNumerics CheckNumericsV2 GuaranteeConst
        """,
    "variables of this graph": """
        AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead ReadVariableOp
        ResourceGather ResourceGatherNd ResourceScatterAdd ResourceScatterDiv ResourceScatterMax
        ResourceScatterMin ResourceScatterMul ResourceScatterNdAdd ResourceScatterNdMax
        ResourceScatterNdMin ResourceScatterNdSub ResourceScatterNdUpdate ResourceScatterSub
        ResourceScatterUpdate ResourceStridedSliceAssign VarHandleOp VarIsInitializedOp Variable
        VariableShape VariableV2
        """,
    "optimizers, left in graphs that were trained": """
        ResourceApplyAdaMax ResourceApplyAdadelta ResourceApplyAdagrad ResourceApplyAdagradDA
        ResourceApplyAdagradV2 ResourceApplyAdam ResourceApplyAdamWithAmsgrad ResourceApplyAddSign
        ResourceApplyCenteredRMSProp ResourceApplyFtrl ResourceApplyFtrlV2
        ResourceApplyGradientDescent ResourceApplyKerasMomentum ResourceApplyMomentum
        ResourceApplyPowerSign ResourceApplyProximalAdagrad ResourceApplyProximalGradientDescent
        ResourceApplyRMSProp ResourceSparseApplyAdadelta ResourceSparseApplyAdagrad
        ResourceSparseApplyAdagradDA ResourceSparseApplyAdagradV2 ResourceSparseApplyCenteredRMSProp
        ResourceSparseApplyFtrl ResourceSparseApplyFtrlV2 ResourceSparseApplyKerasMomentum
        ResourceSparseApplyMomentum ResourceSparseApplyProximalAdagrad
        ResourceSparseApplyProximalGradientDescent ResourceSparseApplyRMSProp
        """,
    "recurrent layers of graphics cards": """
        CudnnRNN CudnnRNNBackprop CudnnRNNBackpropV2 CudnnRNNBackpropV3 CudnnRNNV2 CudnnRNNV3
        """,
    "lists of tensors of TensorFlow 1": """
        TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayGradV3
        TensorArrayGradWithShape TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3
        TensorArraySplitV3 TensorArrayV3 TensorArrayWriteV3
        """,
    "random numbers": """
        Multinomial ParameterizedTruncatedNormal RandomGamma RandomPoissonV2 RandomShuffle
        RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip RngSkip
        StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt
        StatefulUniformInt StatelessRandomGetAlg TruncatedNormal
        """,
    "tables of words": """
        AnonymousHashTable AnonymousMutableDenseHashTable AnonymousMutableHashTable
        AnonymousMutableHashTableOfTensors HashTable HashTableV2 InitializeTableV2
        LookupTableExportV2 LookupTableFindV2 LookupTableImportV2 LookupTableInsertV2
        LookupTableRemoveV2 LookupTableSizeV2 MutableDenseHashTable MutableDenseHashTableV2
        MutableHashTable MutableHashTableOfTensors MutableHashTableOfTensorsV2 MutableHashTableV2
        """,
}
"""Operations that TensorFlow calls stateful: those on variables, random numbers and functions."""

ALLOWED = frozenset(
    name for groups in (STATELESS, STATEFUL) for group in groups.values() for name in group.split()
)
